package evaluator

// ParseRuleset splits the text {"flags": …, "segments": …, "kills": …, "lists": …} into documents without looking into them, so that a
// damaged document stays alone. The documents alias data. It fails only when the text as a whole is not of that shape.
func ParseRuleset(data []byte) ([]Document, error) { panic("not written yet") }
