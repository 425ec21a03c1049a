// The site's form; build.mjs puts it beside the pages. A link to a page that is not there fails the build.
const pages = (names) => Object.entries(names).map(([text, link]) => ({ text, link }))

export default {
  title: 'sluice',
  description: 'Fast and safe communication between the processes of one machine, for Node.js',
  outDir: './dist',
  cacheDir: './cache',
  cleanUrls: true,
  rewrites: {
    'README.md': 'index.md',
    ':folder/README.md': ':folder/index.md',
    'docs/decisions/README.md': 'docs/decisions/index.md',
  },
  vite: { build: { chunkSizeWarningLimit: 2000 } }, // the index of the search
  themeConfig: {
    search: { provider: 'local' },
    nav: pages({ Guide: '/docs/', Reference: '/reference/' }),
    sidebar: [
      {
        text: 'Use',
        items: pages({
          'What it is': '/',
          'Which mechanism to take': '/docs/which',
          'The ring': '/docs/ring',
          'Shared memory': '/docs/shared-memory',
          'Unix sockets': '/docs/sockets',
          'Named pipes': '/docs/named-pipes',
          Credentials: '/docs/credentials',
          Errors: '/docs/errors',
        }),
      },
      {
        text: 'Run',
        items: pages({
          Tuning: '/docs/tuning',
          Debugging: '/docs/debugging',
          Containers: '/docs/containers',
          systemd: '/docs/systemd',
          Runtimes: '/docs/runtimes',
          Bundlers: '/docs/bundlers',
          Windows: '/docs/windows',
          Security: '/SECURITY',
        }),
      },
      {
        text: 'Work on it',
        items: pages({
          "The ring's format": '/docs/ring-format',
          Architecture: '/docs/architecture',
          Decisions: '/docs/decisions/',
          Contributing: '/CONTRIBUTING',
        }),
      },
      { text: 'Reference', items: pages({ 'All names': '/reference/' }) },
    ],
  },
}
