import { json } from '@codemirror/lang-json'
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import { EditorView, placeholder as hint } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { minimalSetup } from 'codemirror'
import { useEffect, useRef } from 'react'
import classes from './JsonEditor.module.css'

type Props = { label: string; value: string; onChange: (text: string) => void; placeholder?: string; invalid?: boolean; describedBy?: string }

const look = EditorView.theme({
  '&': { color: 'var(--d-text)', fontSize: '13px' },
  '&.cm-focused': { outline: 'none' },
  '.cm-content': { fontFamily: 'var(--d-mono)', caretColor: 'var(--d-text)', padding: '8px 0' },
  '.cm-line': { padding: '0 10px' },
  '.cm-cursor': { borderLeftColor: 'var(--d-text)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { background: 'color-mix(in srgb, var(--d-blue) 30%, transparent)' },
  '.cm-placeholder': { color: 'var(--d-faint)' },
})

const colours = syntaxHighlighting(
  HighlightStyle.define([
    { tag: tags.propertyName, color: 'var(--d-blue-text)' },
    { tag: [tags.string, tags.number, tags.bool, tags.null], color: 'var(--d-text)' },
    { tag: [tags.separator, tags.brace, tags.squareBracket], color: 'var(--d-dim)' },
    { tag: tags.invalid, color: 'var(--d-red-text)' },
  ]),
)

// What is typed over a selection is put there by CodeMirror itself: a browser would carry the style of the old text over in a style attribute, which
// the content security policy forbids and the console reports.
const typedOver = EditorView.domEventHandlers({
  beforeinput(event, view) {
    if (event.inputType !== 'insertText' || event.data === null || event.isComposing || view.state.selection.main.empty) return false
    view.dispatch(view.state.replaceSelection(event.data), { userEvent: 'input.type', scrollIntoView: true })
    event.preventDefault()
    return true
  },
})

// JsonEditor is CodeMirror for JSON. It lives in a shadow root: there CodeMirror adopts a style sheet that it constructs, where in the document it
// would write a <style>, which the content security policy forbids. Tab leaves it, as it leaves every field.
export function JsonEditor({ label, value, onChange, placeholder, invalid, describedBy }: Props) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(undefined)
  const latest = useRef({ onChange, value })
  useEffect(() => {
    latest.current = { onChange, value }
  })
  useEffect(() => {
    const element = host.current
    if (!element) return
    const root = element.shadowRoot ?? element.attachShadow({ mode: 'open' })
    const made = new EditorView({
      root,
      parent: root,
      doc: latest.current.value,
      extensions: [
        minimalSetup,
        json(),
        look,
        colours,
        typedOver,
        EditorView.lineWrapping,
        hint(placeholder ?? ''),
        EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'false', autocapitalize: 'off' }),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return
          const text = update.state.doc.toString()
          if (text !== latest.current.value) latest.current.onChange(text)
        }),
      ],
    })
    view.current = made
    return () => {
      made.destroy()
      view.current = undefined
    }
  }, [label, placeholder])
  useEffect(() => {
    const editor = view.current
    if (editor && editor.state.doc.toString() !== value) editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } })
  }, [value])
  return <div ref={host} className={classes.editor} data-invalid={invalid || undefined} aria-describedby={describedBy} />
}
