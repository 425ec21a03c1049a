# In the repository this file lies at the top, in the published package in native/: there a package
# manager that forgets "gypfile": false does not find it, and so does not compile.
{
  'variables': {
    'root': '<!(node -p "fs.existsSync(\'native\') ? \'.\' : \'..\'")',
    # What only the tests call, and only where they are: it is not in the package.
    'has_diagnostics': '<!(node -p "fs.existsSync(\'test/native/diagnostics/diagnostics_<(OS).cc\')")',
  },
  'conditions': [
    ['has_diagnostics=="true"', {
      'targets': [
        {
          'target_name': 'diagnostics',
          # Elsewhere than sluice.node, for node-gyp-build takes the first addon of that folder.
          'product_dir': '<(PRODUCT_DIR)/diagnostics',
          'sources': ['test/native/diagnostics/diagnostics_<(OS).cc'],
          'include_dirs': [
            'native/include',
            "<!(node -p \"require('node-addon-api').include_dir\")",
          ],
          'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_CPP_EXCEPTIONS'],
          'msvs_settings': {
            'VCCLCompilerTool': { 'ExceptionHandling': 1, 'AdditionalOptions': ['/std:c++20'] },
          },
        },
      ],
    }],
  ],
  'targets': [
    {
      'target_name': 'sluice',
      'variables': { 'version': '<!(node <(root)/scripts/version.mjs)' },
      'sources': ['<!@(node <(root)/scripts/sources.mjs <(OS))'],
      'include_dirs': [
        '<(root)/native/include',
        '<(root)/native/src',
        "<!(node -p \"require('node-addon-api').include_dir\")",
      ],
      'defines': [
        'SLUICE_VERSION="<(version)"',
        'NAPI_VERSION=8',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        'NODE_ADDON_API_CPP_EXCEPTIONS',
        # An error in a worker that is being terminated cannot be thrown: it must not abort.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags!': ['-fno-exceptions'],
      'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++20', '-Wall', '-Wextra', '-fvisibility=hidden', '-fstack-protector-strong'],
      'ldflags': ['-Wl,-z,relro,-z,now,-z,noexecstack'],
      'xcode_settings': {
        'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
        'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
        'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
        'MACOSX_DEPLOYMENT_TARGET': '11.0',
      },
      'msvs_settings': {
        'VCCLCompilerTool': { 'ExceptionHandling': 1, 'AdditionalOptions': ['/std:c++20'] },
      },
    },
  ],
}
