// ServerEvent is one event of a stream; id is the last that was given, which Last-Event-ID takes.
export type ServerEvent = { event: string; data: string; id: string }

// maxLine bounds what a broken server can make us keep.
const maxLine = 1 << 20

// sseParser makes a function that takes pieces of a text/event-stream as they arrive, cut anywhere, and returns the events that they complete. A
// bare id, as the server sends it first, is an event without data named "id".
export function sseParser(): (piece: string) => ServerEvent[] {
  let rest = ''
  let event = ''
  let data: string[] = []
  let id = ''
  let newID = false
  return (piece) => {
    rest += piece
    const found: ServerEvent[] = []
    for (;;) {
      const end = rest.search(/\r\n|\n|\r(?!$)/)
      if (end < 0) break
      const line = rest.slice(0, end)
      rest = rest.slice(end + (rest.startsWith('\r\n', end) ? 2 : 1))
      if (line === '') {
        if (data.length > 0) found.push({ event: event || 'message', data: data.join('\n'), id })
        else if (newID) found.push({ event: 'id', data: '', id })
        event = ''
        data = []
        newID = false
        continue
      }
      const colon = line.indexOf(':')
      const field = colon < 0 ? line : line.slice(0, colon)
      const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1))
      if (field === 'event') event = value
      else if (field === 'data') data.push(value)
      else if (field === 'id' && !value.includes('\0')) {
        id = value
        newID = true
      }
    }
    if (rest.length > maxLine) throw new Error('a line of the event stream is too long')
    return found
  }
}
