# Node-API's functions for an addon built with mingw: an import library made from the lists in
# node-api-headers, loaded late, so that the addon also finds them in a host that is not called
# node.exe (native/windows/delay_load_hook.cc).
function(sluice_import_node target)
  set(library ${CMAKE_CURRENT_BINARY_DIR}/libnode_delay.a)
  if(NOT TARGET node_import_library)
    execute_process(
      COMMAND ${NODE_EXECUTABLE} -p "require('node-api-headers').def_paths.node_api_def"
      WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
      OUTPUT_VARIABLE definitions OUTPUT_STRIP_TRAILING_WHITESPACE
      COMMAND_ERROR_IS_FATAL ANY)
    find_program(DLLTOOL x86_64-w64-mingw32-dlltool REQUIRED)
    add_custom_command(OUTPUT ${library}
      COMMAND ${DLLTOOL} -d ${definitions} -D node.exe -y ${library}
      DEPENDS ${definitions} VERBATIM)
    add_custom_target(node_import_library DEPENDS ${library})
  endif()
  add_dependencies(${target} node_import_library)
  target_sources(${target} PRIVATE native/windows/delay_load_hook.cc)
  target_link_libraries(${target} PRIVATE ${library} delayimp)
  # Nothing but Windows' own libraries at run time.
  target_link_options(${target} PRIVATE -static)
endfunction()
