// The screens, as somebody walks through them in the example project; axe and the photographer visit all of them.
export type Screen = { name: string; path: string; ready: { role: 'heading' | 'row' | 'button' | 'textbox'; name: RegExp } }

export const screens: Screen[] = [
  { name: 'flags', path: '/p/shop/flags', ready: { role: 'heading', name: /^Flags/ } },
  { name: 'flags-filtered', path: '/p/shop/flags?q=checkout', ready: { role: 'heading', name: /^Flags/ } },
  { name: 'flags-nothing', path: '/p/shop/flags?q=no-such-flag', ready: { role: 'heading', name: /^Flags/ } },
  { name: 'flag', path: '/p/shop/flags/new-checkout?env=production', ready: { role: 'heading', name: /new-checkout/ } },
  { name: 'flag-history', path: '/p/shop/flags/new-checkout?env=production&tab=history', ready: { role: 'heading', name: /new-checkout/ } },
  { name: 'flag-evaluate', path: '/p/shop/flags/new-checkout?env=production&tab=evaluate', ready: { role: 'heading', name: /new-checkout/ } },
  { name: 'segments', path: '/p/shop/segments', ready: { role: 'heading', name: /^Segments/ } },
  { name: 'segment', path: '/p/shop/segments/employees', ready: { role: 'heading', name: /employees/i } },
  { name: 'environments', path: '/p/shop/environments', ready: { role: 'heading', name: /^Environments/ } },
  { name: 'environments-compare', path: '/p/shop/environments?compare=staging..production', ready: { role: 'heading', name: /^Environments|Compare/ } },
  { name: 'tokens', path: '/p/shop/tokens', ready: { role: 'heading', name: /^Tokens/ } },
  { name: 'log', path: '/p/shop/log', ready: { role: 'heading', name: /^Log/ } },
  { name: 'instances', path: '/p/shop/instances', ready: { role: 'heading', name: /^Instances/ } },
]
