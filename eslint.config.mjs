import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

// An underscore says that it is not used: the variable of `for await (const _ of ...)` has to be there.
const unused = { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }

export default defineConfig(
  globalIgnores(['build*/', 'dist/', 'coverage/', '.cache/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', unused],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'MethodDefinition[kind="get"] > PrivateIdentifier.key',
          message: 'V8 calls its runtime for each use of a private getter: write a method',
        },
      ],
    },
  },
  {
    // Plain programs: scripts, examples, the benchmark's processes. There are no types to check.
    files: ['**/*.mjs', '**/*.cjs', '**/*.js'],
    extends: [tseslint.configs.strict, tseslint.configs.stylistic],
    rules: { '@typescript-eslint/no-unused-vars': ['error', unused] },
  },
  {
    // CommonJS has no other way.
    files: ['**/*.cjs'],
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
)
