package server

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/dimmerhq/dimmer/service/admin"
	"github.com/dimmerhq/dimmer/service/feature"
)

// shopSeed is the example project of a development server.
//
//go:embed seed/shop.json
var shopSeed []byte

type seed struct {
	Project      feature.Project       `json:"project"`
	Environments []feature.Environment `json:"environments"`
	Segments     []feature.Segment     `json:"segments"`
	Lists        []seedList            `json:"lists"`
	Flags        []seedFlag            `json:"flags"`
}

type seedList struct {
	Segment     string       `json:"segment"`
	Environment string       `json:"environment"`
	Side        feature.Side `json:"side"`
	Keys        []string     `json:"keys"`
}

// seedFlag is a flag with its targeting; where none is given, the flag is off.
type seedFlag struct {
	Flag         feature.Flag                 `json:"flag"`
	Off          string                       `json:"off"`
	Environments map[string]feature.Targeting `json:"environments"`
}

func readSeed() (seed, error) {
	var s seed
	if err := feature.DecodeStrict(shopSeed, &s, feature.Limits{}); err != nil {
		return s, fmt.Errorf("the example project: %w", err)
	}
	return s, nil
}

// plant makes the example project through the same verbs as everybody else, and may be repeated after an interruption.
func (s seed) plant(ctx context.Context, a *admin.Service, call admin.Call) error {
	call.Reason = "example project"
	if _, _, err := a.CreateProject(ctx, call, s.Project, s.Environments); err != nil && feature.CodeOf(err) != feature.CodeExists {
		return err
	}
	_, err := a.Batch(ctx, call, s.Project.Key, "seed", "project/"+s.Project.Key, s.draft)
	if feature.CodeOf(err) == feature.CodeExists {
		return nil // an earlier start got this far
	}
	return err
}

func (s seed) draft(d *admin.Draft) error {
	for _, g := range s.Segments {
		if _, err := d.CreateSegment(g); err != nil {
			return err
		}
	}
	for _, l := range s.Lists {
		if _, err := d.EditList(l.Segment, l.Environment, "", l.Side, admin.ListEdit{Add: l.Keys}); err != nil {
			return err
		}
	}
	for _, f := range s.Flags {
		if _, err := d.CreateFlag(f.Flag, admin.CreateOptions{Off: f.Off}); err != nil {
			return err
		}
	}
	// Only now, since targeting may refer to any flag.
	for i, f := range s.Flags {
		for environment, t := range f.Environments {
			d.In(fmt.Sprintf("/flags/%d/environments/%s", i, environment))
			if _, err := d.PutTargeting(f.Flag.Key, environment, "*", t); err != nil {
				return err
			}
		}
	}
	return nil
}
