package dimmer

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/dimmerhq/dimmer/evaluator"
)

// Snapshot is one state of all flags. What is read through it comes from one revision, whatever arrives meanwhile; the calls of [Client]
// each read the newest. Take one per request or job where several flags must fit together, and let go of it afterwards: it keeps its
// ruleset in memory, and a kill does not reach it. The zero Snapshot answers with the fallbacks.
type Snapshot struct {
	rules  *evaluator.Snapshot // nil: there is none yet
	client *Client             // nil: of no client
}

// Snapshot is the newest state.
func (c *Client) Snapshot() Snapshot {
	if c == nil {
		return Snapshot{}
	}
	return Snapshot{c.rules.Load(), c}
}

// Bool answers a boolean flag for who, with fallback when there is no answer. The context is not used yet; hooks will get it.
func (c *Client) Bool(_ context.Context, flag string, who *Context, fallback bool) bool {
	// This is the call that applications make most. It is Snapshot.Bool, written out: passing the snapshot on would cost 2 ns more.
	if c == nil {
		return fallback
	}
	o := c.rules.Load().Outcome(flag, who)
	v, ok := o.Bool()
	if c.counts != nil {
		c.counts.add(flag, o.Typed(ok))
	}
	if ok {
		return v
	}
	return fallback
}

// String answers a string flag for who, with fallback when there is no answer.
func (c *Client) String(ctx context.Context, flag string, who *Context, fallback string) string {
	return c.Snapshot().String(ctx, flag, who, fallback)
}

// Int answers a number flag for who; one whose value is no integer of at most ±(2^53−1) is a TYPE_MISMATCH.
func (c *Client) Int(ctx context.Context, flag string, who *Context, fallback int64) int64 {
	return c.Snapshot().Int(ctx, flag, who, fallback)
}

// Float answers a number flag for who, with fallback when there is no answer.
func (c *Client) Float(ctx context.Context, flag string, who *Context, fallback float64) float64 {
	return c.Snapshot().Float(ctx, flag, who, fallback)
}

// JSON answers a json flag for who, with fallback when there is no answer. The bytes are shared by all callers: decode them, or copy
// them before a change. [Decode] does the former.
func (c *Client) JSON(ctx context.Context, flag string, who *Context, fallback json.RawMessage) json.RawMessage {
	return c.Snapshot().JSON(ctx, flag, who, fallback)
}

// BoolDetail is [Client.Bool], and how the answer came about.
func (c *Client) BoolDetail(ctx context.Context, flag string, who *Context, fallback bool) Detail[bool] {
	return c.Snapshot().BoolDetail(ctx, flag, who, fallback)
}

// StringDetail is [Client.String], and how the answer came about.
func (c *Client) StringDetail(ctx context.Context, flag string, who *Context, fallback string) Detail[string] {
	return c.Snapshot().StringDetail(ctx, flag, who, fallback)
}

// IntDetail is [Client.Int], and how the answer came about.
func (c *Client) IntDetail(ctx context.Context, flag string, who *Context, fallback int64) Detail[int64] {
	return c.Snapshot().IntDetail(ctx, flag, who, fallback)
}

// FloatDetail is [Client.Float], and how the answer came about.
func (c *Client) FloatDetail(ctx context.Context, flag string, who *Context, fallback float64) Detail[float64] {
	return c.Snapshot().FloatDetail(ctx, flag, who, fallback)
}

// JSONDetail is [Client.JSON], and how the answer came about.
func (c *Client) JSONDetail(ctx context.Context, flag string, who *Context, fallback json.RawMessage) Detail[json.RawMessage] {
	return c.Snapshot().JSONDetail(ctx, flag, who, fallback)
}

// All is every flag with its answer for who, all from one snapshot, in no particular order. It counts no exposures: reading all
// flags shows a user none of them.
func (c *Client) All(ctx context.Context, who *Context) iter.Seq2[string, *Outcome] {
	return c.Snapshot().All(ctx, who)
}

// Revision is that of the ruleset; zero when there is none, or when it came from a bootstrap.
func (s Snapshot) Revision() Revision { return s.rules.Revision() }

// Problems says which documents of the ruleset cannot be used and why. Flags that need them answer with the fallback and PARSE_ERROR; all
// others work. It looks through all documents.
func (s Snapshot) Problems() []evaluator.Problem { return s.rules.Problems() }

// Bool is [Client.Bool] on this snapshot.
func (s Snapshot) Bool(_ context.Context, flag string, who *Context, fallback bool) bool {
	o := s.rules.Outcome(flag, who)
	v, ok := o.Bool()
	s.count(flag, o, ok)
	if ok {
		return v
	}
	return fallback
}

// String is [Client.String] on this snapshot.
func (s Snapshot) String(_ context.Context, flag string, who *Context, fallback string) string {
	o := s.rules.Outcome(flag, who)
	v, ok := o.Value().Text()
	s.count(flag, o, ok)
	if ok {
		return v
	}
	return fallback
}

// Int is [Client.Int] on this snapshot.
func (s Snapshot) Int(_ context.Context, flag string, who *Context, fallback int64) int64 {
	o := s.rules.Outcome(flag, who)
	v, ok := o.Value().Int()
	s.count(flag, o, ok)
	if ok {
		return v
	}
	return fallback
}

// Float is [Client.Float] on this snapshot.
func (s Snapshot) Float(_ context.Context, flag string, who *Context, fallback float64) float64 {
	o := s.rules.Outcome(flag, who)
	v, ok := o.Value().Float()
	s.count(flag, o, ok)
	if ok {
		return v
	}
	return fallback
}

// JSON is [Client.JSON] on this snapshot.
func (s Snapshot) JSON(_ context.Context, flag string, who *Context, fallback json.RawMessage) json.RawMessage {
	o := s.rules.Outcome(flag, who)
	v, ok := rawJSON(o)
	s.count(flag, o, ok)
	if ok {
		return v
	}
	return fallback
}

// BoolDetail is [Client.BoolDetail] on this snapshot.
func (s Snapshot) BoolDetail(_ context.Context, flag string, who *Context, fallback bool) Detail[bool] {
	o := s.rules.Outcome(flag, who)
	v, ok := o.Bool()
	return detail(s, flag, o, v, ok, fallback)
}

// StringDetail is [Client.StringDetail] on this snapshot.
func (s Snapshot) StringDetail(_ context.Context, flag string, who *Context, fallback string) Detail[string] {
	o := s.rules.Outcome(flag, who)
	v, ok := o.Value().Text()
	return detail(s, flag, o, v, ok, fallback)
}

// IntDetail is [Client.IntDetail] on this snapshot.
func (s Snapshot) IntDetail(_ context.Context, flag string, who *Context, fallback int64) Detail[int64] {
	o := s.rules.Outcome(flag, who)
	v, ok := o.Value().Int()
	return detail(s, flag, o, v, ok, fallback)
}

// FloatDetail is [Client.FloatDetail] on this snapshot.
func (s Snapshot) FloatDetail(_ context.Context, flag string, who *Context, fallback float64) Detail[float64] {
	o := s.rules.Outcome(flag, who)
	v, ok := o.Value().Float()
	return detail(s, flag, o, v, ok, fallback)
}

// JSONDetail is [Client.JSONDetail] on this snapshot.
func (s Snapshot) JSONDetail(_ context.Context, flag string, who *Context, fallback json.RawMessage) Detail[json.RawMessage] {
	o := s.rules.Outcome(flag, who)
	v, ok := rawJSON(o)
	return detail(s, flag, o, v, ok, fallback)
}

// All is [Client.All] on this snapshot.
func (s Snapshot) All(_ context.Context, who *Context) iter.Seq2[string, *Outcome] {
	return func(yield func(string, *Outcome) bool) { s.rules.OutcomesUntil(who, yield) }
}

// Decode answers a json flag for who as a T, with fallback when there is no answer or its value does not decode into a T. It decodes at
// each call.
func Decode[T any](ctx context.Context, s Snapshot, flag string, who *Context, fallback T) T {
	raw := s.JSON(ctx, flag, who, nil)
	var v T
	if raw == nil || json.Unmarshal(raw, &v) != nil {
		return fallback
	}
	return v
}

// rawJSON has no spare capacity, so that appending to what a caller got copies it.
func rawJSON(o *evaluator.Outcome) (json.RawMessage, bool) {
	v := o.Value()
	if v.Type() != evaluator.TypeJSON {
		return nil, false
	}
	raw := v.JSON()
	return raw[:len(raw):len(raw)], true
}

// count notes an evaluation, if the client counts.
func (s Snapshot) count(flag string, o *evaluator.Outcome, fits bool) {
	if s.client != nil && s.client.counts != nil {
		s.client.counts.add(flag, o.Typed(fits))
	}
}
