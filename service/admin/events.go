package admin

import (
	"context"
	"iter"

	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// Events yields a project's changes after a cursor (the zero one: from now on) as they are committed by anyone, with the authored documents
// that the caller may see. It ends with the caller's context, or after an error: with CodeNotFound the cursor is too old, and the caller reads
// everything anew.
func (s *Service) Events(ctx context.Context, call Call, project string, after store.Cursor) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		state, err := s.view(ctx, &call, project, policy.EventRead, "")
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		if after == (store.Cursor{}) {
			after = store.Cursor{Epoch: state.Head().Epoch, Revision: state.Head().Revision}
		}
		for e, err := range s.opts.Store.Watch(ctx, project, after) {
			if err != nil {
				yield(store.Entry{}, fromStore(err))
				return
			}
			if !visible(&e, call.Principal) {
				continue
			}
			e.Changes = shownChanges(e.Changes, call.Principal)
			if !yield(e, nil) {
				return
			}
		}
	}
}
