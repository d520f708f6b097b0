package admin

import (
	"context"

	"github.com/dimmerhq/dimmer/service/policy"
)

// Batch makes several changes in one transaction: either all of what fn does with the draft is committed, with one log entry, or nothing. verb and
// target are for the log ("apply", "manifest/shop"). Each of the draft's methods checks the caller's rights by itself.
//
// fn may run several times, each time with a fresh draft of a newer state; it must depend on nothing but the draft and what it was given. A
// batch of more than about 30 MiB of documents, before and after, is refused as too large.
func (s *Service) Batch(ctx context.Context, call Call, project, verb, target string, fn func(*Draft) error) (Written, error) {
	if err := s.project(ctx, &call, project, policy.FlagRead, ""); err != nil {
		return Written{}, err
	}
	_, w, err := write(ctx, s, &call, change{scope: project, verb: verb, target: target}, func(d *Draft) (struct{}, error) {
		return struct{}{}, fn(d)
	})
	return w, err
}
