import {
  type CSSVariablesResolver,
  type MantineColorsTuple,
  MantineProvider,
  convertCssVariables,
  createTheme,
  defaultCssVariablesResolver,
  localStorageColorSchemeManager,
  mergeMantineTheme,
  DEFAULT_THEME,
} from '@mantine/core'
import type { ReactNode } from 'react'

// One warm accent on cool greys. Each colour has one job: amber is exposure, red is a kill and harm, green is a safe verdict, blue is focus and
// links; theme.css names them for both schemes (--d-…), and screens use those names.
const amber: MantineColorsTuple = ['#fff7e6', '#feecc7', '#fcdb92', '#fac858', '#f8b52f', '#f5a524', '#d98a0b', '#a96a08', '#7c4e08', '#54350a']
const red: MantineColorsTuple = ['#fff0f0', '#ffdede', '#ffbcbc', '#ff9494', '#f96f6f', '#ee5151', '#d93a3a', '#b82a2a', '#8c2222', '#5e1a1a']
const green: MantineColorsTuple = ['#e9fbf1', '#cdf4de', '#9de8c0', '#66d79d', '#3dc380', '#26a869', '#1c8a55', '#176e45', '#135337', '#0e3a28']
const blue: MantineColorsTuple = ['#edf4ff', '#d8e7ff', '#b4d0ff', '#8ab6ff', '#649dff', '#4585f5', '#2f6ee0', '#2459bb', '#1d478f', '#173664']
const gray: MantineColorsTuple = ['#f7f8f9', '#eef0f2', '#e2e5e9', '#cdd2d8', '#a9b0b9', '#7f8791', '#5d656f', '#444b54', '#2d333a', '#1a1e23']
const dark: MantineColorsTuple = ['#dfe3e8', '#b9c0c9', '#98a1ac', '#6d7682', '#3a414a', '#2b3138', '#1d2126', '#121519', '#0d1013', '#090b0d']

export const theme = createTheme({
  colors: { amber, red, green, blue, gray, dark },
  primaryColor: 'blue',
  primaryShade: { light: 7, dark: 5 },
  autoContrast: true,
  luminanceThreshold: 0.35,
  defaultRadius: 6,
  radius: { xs: '3px', sm: '6px', md: '6px', lg: '8px', xl: '12px' },
  spacing: { xs: '8px', sm: '12px', md: '16px', lg: '24px', xl: '32px' },
  fontSizes: { xs: '12px', sm: '13px', md: '14px', lg: '16px', xl: '20px' },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, "DejaVu Sans Mono", "Liberation Mono", monospace',
  headings: { fontWeight: '600', sizes: { h1: { fontSize: '20px', lineHeight: '28px' }, h2: { fontSize: '16px', lineHeight: '24px' }, h3: { fontSize: '14px', lineHeight: '20px' } } },
  focusRing: 'auto',
  cursorType: 'pointer',
  respectReducedMotion: true,
  // By name and not with X.extend, which would put every component named here into the first file that is loaded.
  components: {
    // variant="primary" is the one main act of a view, variant="danger" a kill or what destroys; the rest is quiet.
    Button: { defaultProps: { variant: 'default', size: 'sm' } },
    // Locking the scroll of the page behind would inject a <style>, which the content security policy forbids; the shell scrolls inside itself.
    // A dialog's head is no banner of the page, which <header> outside of a section would be.
    Modal: { defaultProps: { attributes: { header: { role: 'presentation' } }, lockScroll: false, transitionProps: { duration: 120, transition: 'fade' }, overlayProps: { backgroundOpacity: 0.6 } } },
    Drawer: { defaultProps: { attributes: { header: { role: 'presentation' } }, lockScroll: false, transitionProps: { duration: 120 }, overlayProps: { backgroundOpacity: 0.6 } } },
    Menu: { defaultProps: { transitionProps: { duration: 80, transition: 'fade' }, shadow: 'md', withInitialFocusPlaceholder: false } },
    // In a landmark, so that a screen reader finds what opened.
    Portal: { defaultProps: { target: '#overlays' } },
    Popover: { defaultProps: { transitionProps: { duration: 80, transition: 'fade' } } },
    Select: { defaultProps: { allowDeselect: false, withScrollArea: false, checkIconPosition: 'right', comboboxProps: { transitionProps: { duration: 0 } } } },
    // A list scrolls by itself (theme.css); a scroll area around it would be a stop for the keyboard that leads nowhere.
    Autocomplete: { defaultProps: { withScrollArea: false } },
    TagsInput: { defaultProps: { withScrollArea: false } },
    MultiSelect: { defaultProps: { withScrollArea: false } },
    Tooltip: { defaultProps: { openDelay: 300, events: { hover: true, focus: true, touch: false } } },
  },
})

export const colorSchemes = localStorageColorSchemeManager({ key: 'dimmer-color-scheme' })

// The content security policy allows no inline <style>, and Mantine would write the theme's variables into one. A constructed style sheet says
// the same and is allowed. What else would inject a <style> is switched off (withGlobalClasses, lockScroll) or not used: style props with
// breakpoints, visibleFrom and hiddenFrom, SimpleGrid, Grid, AppShell. Layout is in CSS modules.
export function installTheme() {
  const resolver: CSSVariablesResolver = defaultCssVariablesResolver
  const css = convertCssVariables(resolver(mergeMantineTheme(DEFAULT_THEME, theme)), ':root')
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(`@layer mantine-theme { ${css} }`)
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]
}

export function ThemeProvider({ children }: { children: ReactNode }) {
  return (
    <MantineProvider theme={theme} defaultColorScheme="dark" colorSchemeManager={colorSchemes} withCssVariables={false} withGlobalClasses={false}>
      {children}
    </MantineProvider>
  )
}
