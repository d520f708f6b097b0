import { describe, expect, it } from 'vitest'
import { sseParser } from './sse'

const stream = 'retry: 2000\nid: 1.2\n: hello\n\nevent: change\nid: 1.3\ndata: {"a":\ndata: 1}\n\n: heartbeat\n\nevent: reset\r\nid: 2.9\r\ndata: {}\r\n\r\ndata:no space\n\n'
const events = [
  { event: 'id', data: '', id: '1.2' },
  { event: 'change', data: '{"a":\n1}', id: '1.3' },
  { event: 'reset', data: '{}', id: '2.9' },
  { event: 'message', data: 'no space', id: '2.9' },
]

describe('sseParser', () => {
  it('reads a stream in one piece', () => expect(sseParser()(stream)).toEqual(events))
  it('reads it cut anywhere', () => {
    for (let cut = 1; cut < stream.length; cut++) {
      const parse = sseParser()
      expect([...parse(stream.slice(0, cut)), ...parse(stream.slice(cut))]).toEqual(events)
    }
  })
  it('reads it letter by letter', () => {
    const parse = sseParser()
    expect([...stream].flatMap((letter) => parse(letter))).toEqual(events)
  })
  it('keeps an unfinished event back', () => expect(sseParser()('event: change\ndata: {}\n')).toEqual([]))
  it('refuses a line without end', () => expect(() => sseParser()('x'.repeat((1 << 20) + 1))).toThrow(/too long/))
})
