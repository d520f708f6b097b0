import { makeStore } from '../components/external'

// palette is whether the command palette is open.
export const palette = makeStore(false)
