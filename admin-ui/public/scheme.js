// Before anything is painted: the colour scheme that was chosen (src/app/theme.tsx), so that a dark window never flashes white.
(function () {
  var chosen = 'dark'
  try {
    chosen = localStorage.getItem('dimmer-color-scheme') || chosen
  } catch (_) {
    // A browser that keeps nothing: dark, as designed.
  }
  if (chosen === 'auto') chosen = matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark'
  document.documentElement.setAttribute('data-mantine-color-scheme', chosen === 'light' ? 'light' : 'dark')
})()
