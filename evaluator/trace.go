package evaluator

// EvaluateTrace is [Snapshot.Evaluate], and how the answer came about. It is slower and allocates.
func (s *Snapshot) EvaluateTrace(flag string, c *Context) (Result, *Trace) { panic("not written yet") }

// Trace tells the steps of one evaluation as a tree that encodes to JSON.
type Trace struct {
	Flag string `json:"flag"`
}
