package adminapi

import (
	"context"
	"strconv"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/admin"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// newProject is what a project is made from.
type newProject struct {
	feature.Project
	Environments []feature.Environment `json:"environments,omitempty"`
}

// newFlag is what a flag is made from.
type newFlag struct {
	feature.Flag
	Off string `json:"off,omitempty"`
}

// targetingBody is a targeting with what stands around it. All of it but the targeting is for reading: a PUT takes it back as a GET gave it.
type targetingBody struct {
	feature.Targeting
	Flag        string           `json:"flag,omitempty"`
	Environment string           `json:"environment,omitempty"`
	Archived    bool             `json:"archived,omitempty"`
	Killed      bool             `json:"killed"`
	Kills       []string         `json:"kills,omitempty"`
	Revision    int64            `json:"revision,omitempty"`
	Epoch       int64            `json:"epoch,omitempty"`
	Durability  store.Durability `json:"durability,omitempty"`
}

// killBody is a kill with the names of those who made and cleared it.
type killBody struct {
	feature.Kill
	ByName  string     `json:"byName,omitempty"`
	Cleared *clearBody `json:"cleared,omitempty"`
}

type clearBody struct {
	feature.Clear
	ByName string `json:"byName,omitempty"`
}

func killOf(k feature.Kill, name func(actor string) string) killBody {
	out := killBody{Kill: k, ByName: name(k.By)}
	if k.Cleared != nil {
		out.Cleared = &clearBody{Clear: *k.Cleared, ByName: name(k.Cleared.By)}
	}
	return out
}

// callOf is the call that a request makes; reason is what its body gives, which wins over the query's.
func callOf(ctx context.Context, reason string) admin.Call {
	req := requestOf(ctx)
	if req == nil {
		return admin.Call{} // a principal that may do nothing
	}
	call := req.call
	if reason != "" {
		call.Reason = reason
	}
	return call
}

// wrote puts what became of a change into the answer's headers.
func wrote(ctx context.Context, w admin.Written) {
	req := requestOf(ctx)
	if req == nil || w == (admin.Written{}) { // nothing became of it
		return
	}
	req.head.Set("Dimmer-Revision", strconv.FormatInt(w.Revision, 10))
	req.head.Set("Dimmer-Epoch", strconv.FormatInt(w.Epoch, 10))
	if w.Durability != "" {
		req.head.Set("Dimmer-Durability", string(w.Durability))
	}
	if w.Replayed {
		req.head.Set("Idempotency-Replayed", "true")
	}
}

// etag is a version as HTTP has it.
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

func page(limit int, cursor string) admin.Page { return admin.Page{Limit: limit, Cursor: cursor} }

// either is the body of a merge patch, whichever of its two media types it came with.
func either(a, b *MergePatch) []byte {
	if a != nil {
		return *a
	}
	if b != nil {
		return *b
	}
	return nil
}

// changed answers a verb that changed a targeting.
func changed(ctx context.Context, v *admin.TargetingView, w admin.Written) targetingBody {
	wrote(ctx, w)
	out := viewed(v)
	out.Revision, out.Epoch, out.Durability = w.Revision, w.Epoch, w.Durability
	return out
}

// place refuses a body that names another flag or environment than the path.
func (t *targetingBody) place(flag, environment string) error {
	if t.Flag != "" && t.Flag != flag {
		return feature.Invalid("/flag", "the path names %q", flag)
	}
	if t.Environment != "" && t.Environment != environment {
		return feature.Invalid("/environment", "the path names %q", environment)
	}
	return nil
}

// evaluation spreads a result out. Clients learn nothing of rules.
func evaluation(flag string, r evaluator.Result, who policy.Principal) Evaluation {
	out := Evaluation{
		Flag: flag, Variant: r.Variant, Reason: string(r.Reason), Cause: string(r.Cause), Rule: r.Rule, Version: r.Version,
		Revision: r.Revision.Number, Error: string(r.Error),
	}
	if r.Error == "" {
		out.Value = r.Value.JSON()
	}
	if who.Kind == policy.KindClient {
		out.Rule = ""
	}
	return out
}

// maxChanges bounds how many changes of an entry are named in a list and in an event.
const maxChanges = 100

// logEntry is a whole entry of a log.
func logEntry(e store.Entry, name func(actor string) string) LogEntry {
	out := entryOf(e.Cursor(), e.Meta, e.Hash, name)
	for _, c := range e.Changes {
		if t, shown := admin.Touch(c); shown {
			change := logChange(t)
			change.Before, change.After = c.Before, c.After
			out.Changes = append(out.Changes, change)
		}
	}
	return out
}

// listedEntry is an entry as a list has it.
func listedEntry(e admin.Event, name func(actor string) string) LogEntry {
	out := entryOf(e.At, e.Meta, e.Hash, name)
	out.Changes, out.Truncated = logChanges(e.Changes)
	return out
}

func entryOf(at store.Cursor, m store.Meta, hash store.Hash, name func(actor string) string) LogEntry {
	return LogEntry{
		Revision: at.Revision, Epoch: at.Epoch, At: m.At, Actor: m.Actor, ActorName: name(m.Actor), Verb: m.Verb, Target: m.Target,
		Reason: m.Reason, Address: m.Address, Hash: hash.String(), Changes: []LogChange{},
	}
}

// changeEvent is what a stream tells of an entry.
func changeEvent(e admin.Event, name func(actor string) string) ChangeEvent {
	m := e.Meta
	out := ChangeEvent{
		Log: ChangeEventLogProject, Revision: e.At.Revision, Epoch: e.At.Epoch, At: m.At, Actor: m.Actor, ActorName: name(m.Actor), Verb: m.Verb, Target: m.Target, Reason: m.Reason,
	}
	if e.System {
		out.Log = ChangeEventLogSystem
	}
	out.Changes, out.Truncated = logChanges(e.Changes)
	return out
}

func logChanges(touched []admin.Touched) (out []LogChange, truncated bool) {
	out = make([]LogChange, 0, min(len(touched), maxChanges))
	for _, t := range touched[:min(len(touched), maxChanges)] {
		out = append(out, logChange(t))
	}
	return out, len(touched) > maxChanges
}

func logChange(t admin.Touched) LogChange {
	return LogChange{Document: t.Document, Kind: LogChangeKind(t.Kind), Key: t.Key, Environment: t.Environment, Action: LogChangeAction(t.Action)}
}
