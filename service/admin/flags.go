package admin

import (
	"context"

	"github.com/dimmerhq/dimmer/service/compile"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
)

// GetFlag returns a flag's definition.
func (s *Service) GetFlag(ctx context.Context, call Call, project, flag string) (feature.Flag, error) {
	state, err := s.view(ctx, &call, project, policy.FlagRead, "")
	if err != nil {
		return feature.Flag{}, err
	}
	return read[feature.Flag](state, flagKey(flag), "flag", flag)
}

// CreateOptions are what a new flag begins with.
type CreateOptions struct {
	Off string // the off variant in every environment; empty: see [feature.Flag.DefaultOff]
}

// CreateFlag makes a flag that is off in every environment.
func (s *Service) CreateFlag(ctx context.Context, call Call, project string, f feature.Flag, o CreateOptions) (feature.Flag, Written, error) {
	return s.flagVerb(ctx, call, project, "flag.create", f.Key, func(d *Draft) (feature.Flag, error) { return d.CreateFlag(f, o) })
}

// PutFlag replaces a flag's definition. Key, type and what the server owns cannot change; what is given of that has to be as it is.
func (s *Service) PutFlag(ctx context.Context, call Call, project, flag string, f feature.Flag) (feature.Flag, Written, error) {
	return s.flagVerb(ctx, call, project, "flag.update", flag, func(d *Draft) (feature.Flag, error) { return d.PutFlag(flag, call.IfMatch, f) })
}

// PatchFlag applies a merge patch to a flag's definition.
func (s *Service) PatchFlag(ctx context.Context, call Call, project, flag string, patch []byte) (feature.Flag, Written, error) {
	if err := feature.CheckPatch(patch, feature.Flag{}, feature.Limits{}); err != nil {
		return feature.Flag{}, Written{}, err
	}
	return s.flagVerb(ctx, call, project, "flag.update", flag, func(d *Draft) (feature.Flag, error) { return d.PatchFlag(flag, call.IfMatch, patch) })
}

// ArchiveFlag turns a flag off everywhere and keeps it. Refused while others refer to it.
func (s *Service) ArchiveFlag(ctx context.Context, call Call, project, flag string) (feature.Flag, Written, error) {
	return s.flagVerb(ctx, call, project, "flag.archive", flag, func(d *Draft) (feature.Flag, error) { return d.ArchiveFlag(flag, call.IfMatch) })
}

// UnarchiveFlag brings an archived flag back, off everywhere.
func (s *Service) UnarchiveFlag(ctx context.Context, call Call, project, flag string) (feature.Flag, Written, error) {
	return s.flagVerb(ctx, call, project, "flag.unarchive", flag, func(d *Draft) (feature.Flag, error) { return d.UnarchiveFlag(flag, call.IfMatch) })
}

// ReshuffleFlag draws a new salt: every cohort of the flag changes, in every environment.
func (s *Service) ReshuffleFlag(ctx context.Context, call Call, project, flag string) (feature.Flag, Written, error) {
	return s.flagVerb(ctx, call, project, "flag.reshuffle", flag, func(d *Draft) (feature.Flag, error) { return d.ReshuffleFlag(flag, call.IfMatch) })
}

// DeleteFlag deletes an archived flag that nothing refers to. Its kills stay, so that a new flag of that key is born killed if it was.
func (s *Service) DeleteFlag(ctx context.Context, call Call, project, flag string) (Written, error) {
	_, w, err := s.flagVerb(ctx, call, project, "flag.delete", flag, func(d *Draft) (feature.Flag, error) {
		return feature.Flag{}, d.DeleteFlag(flag, call.IfMatch)
	})
	return w, err
}

func (s *Service) flagVerb(
	ctx context.Context, call Call, project, verb, flag string, fn func(*Draft) (feature.Flag, error),
) (feature.Flag, Written, error) {
	if err := s.project(ctx, &call, project, policy.FlagWrite, ""); err != nil {
		return feature.Flag{}, Written{}, err
	}
	return write(ctx, s, &call, change{scope: project, verb: verb, target: "flag/" + flag}, fn)
}

// CreateFlag is [Service.CreateFlag] in a draft.
func (d *Draft) CreateFlag(f feature.Flag, o CreateOptions) (feature.Flag, error) {
	if err := d.can(policy.FlagWrite, ""); err != nil {
		return f, err
	}
	if f.Salt != "" || f.Version != 0 || !f.CreatedAt.IsZero() || !f.UpdatedAt.IsZero() {
		d.invalid(feature.Invalid("", "salt, version, createdAt and updatedAt are made by the server"))
	}
	if f.Archived {
		d.invalid(feature.Invalid("/archived", "a new flag cannot be archived"))
	}
	f.Normalize()
	if _, known := f.Variant(o.Off); o.Off != "" && !known {
		d.invalid(feature.Invalid("/off", "the flag has no variant %q", o.Off))
	}
	if _, there := d.get(flagKey(f.Key)); there {
		return f, feature.Exists("flag", f.Key)
	}
	var err error
	if f.Salt, err = d.s.newSalt(); err != nil {
		return f, err
	}
	f.CreatedAt = d.now
	if err := d.checkFlag(&f); err != nil {
		d.invalid(err)
		return f, nil
	}
	if err := d.storeFlag(&f); err != nil {
		return f, err
	}
	for _, environment := range d.environments() {
		if err := d.newTargeting(&f, environment, o.Off); err != nil {
			return f, err
		}
	}
	return f, nil
}

// newTargeting gives a flag its first targeting in an environment.
func (d *Draft) newTargeting(f *feature.Flag, environment, off string) error {
	t := f.NewTargeting(off)
	_, err := d.storeTargeting(f, environment, nil, t)
	return err
}

// PutFlag is [Service.PutFlag] in a draft.
func (d *Draft) PutFlag(flag, ifMatch string, f feature.Flag) (feature.Flag, error) {
	return d.updateFlag(flag, ifMatch, func(before feature.Flag) (feature.Flag, error) {
		f.Normalize()
		if f.Salt == "" {
			f.Salt = before.Salt
		}
		if f.Version == 0 {
			f.Version = before.Version
		}
		if f.CreatedAt.IsZero() {
			f.CreatedAt = before.CreatedAt
		}
		if f.UpdatedAt.IsZero() {
			f.UpdatedAt = before.UpdatedAt
		}
		return f, nil
	})
}

// PatchFlag is [Service.PatchFlag] in a draft.
func (d *Draft) PatchFlag(flag, ifMatch string, patch []byte) (feature.Flag, error) {
	return d.updateFlag(flag, ifMatch, func(before feature.Flag) (feature.Flag, error) {
		after, err := patched(before, patch)
		after.Normalize()
		return after, err
	})
}

func (d *Draft) updateFlag(flag, ifMatch string, edit func(feature.Flag) (feature.Flag, error)) (feature.Flag, error) {
	before, err := d.flagFor(flag, ifMatch, mustMatch)
	if err != nil {
		return before, err
	}
	after, err := edit(before)
	if err != nil {
		return before, err
	}
	if d.fixed(&before, &after) {
		d.invalid(d.checkFlag(&after))
		return before, nil
	}
	if same(before, after) {
		return before, nil
	}
	return after, d.saveFlag(&after)
}

// fixed refuses changes of what cannot be changed by an edit, and says whether there are any.
func (d *Draft) fixed(before, after *feature.Flag) (refused bool) {
	for _, c := range []struct {
		path    string
		changed bool
		hint    string
	}{
		{"/key", after.Key != before.Key, "cannot be changed"},
		{"/type", after.Type != before.Type, "cannot be changed; make a new flag"},
		{"/archived", after.Archived != before.Archived, "is changed by archiving and unarchiving"},
		{"/salt", after.Salt != before.Salt, "is made by the server; reshuffling draws a new one"},
		{"/version", after.Version != before.Version, "is made by the server"},
		{"/createdAt", !after.CreatedAt.Equal(before.CreatedAt), "is made by the server"},
		{"/updatedAt", !after.UpdatedAt.Equal(before.UpdatedAt), "is made by the server"},
	} {
		if c.changed {
			d.invalid(feature.Invalid(c.path, "%s", c.hint))
			refused = true
		}
	}
	return refused
}

// flagFor loads a flag for a verb that writes its definition.
func (d *Draft) flagFor(flag, ifMatch string, rule ifMatchRule) (feature.Flag, error) {
	if err := d.can(policy.FlagWrite, ""); err != nil {
		return feature.Flag{}, err
	}
	f, err := load[feature.Flag](d, flagKey(flag), "flag", flag)
	if err == nil {
		d.version = f.Version
		err = d.matches(ifMatch, f.Version, rule)
	}
	return f, err
}

// ArchiveFlag is [Service.ArchiveFlag] in a draft.
func (d *Draft) ArchiveFlag(flag, ifMatch string) (feature.Flag, error) {
	f, err := d.flagFor(flag, ifMatch, mayMatch)
	if err != nil || f.Archived {
		return f, err
	}
	if err := d.unreferenced("flag", flag); err != nil {
		return f, err
	}
	f.Archived = true
	raises := d.raises
	err = d.saveFlag(&f)
	d.raises = raises
	return f, err
}

// UnarchiveFlag is [Service.UnarchiveFlag] in a draft.
func (d *Draft) UnarchiveFlag(flag, ifMatch string) (feature.Flag, error) {
	f, err := d.flagFor(flag, ifMatch, mayMatch)
	if err != nil || !f.Archived {
		return f, err
	}
	f.Archived = false
	for _, environment := range d.environments() {
		t, err := load[feature.Targeting](d, targetingKey(environment, flag), "flag", flag)
		if err != nil {
			return f, err
		}
		off := t.Clone()
		off.Enabled = false
		if _, err := d.storeTargeting(&f, environment, &t, off); err != nil {
			return f, err
		}
	}
	return f, d.saveFlag(&f)
}

// ReshuffleFlag is [Service.ReshuffleFlag] in a draft.
func (d *Draft) ReshuffleFlag(flag, ifMatch string) (feature.Flag, error) {
	f, err := d.flagFor(flag, ifMatch, mayMatch)
	if err != nil {
		return f, err
	}
	if f.Salt, err = d.s.newSalt(); err != nil {
		return f, err
	}
	return f, d.saveFlag(&f)
}

// DeleteFlag is [Service.DeleteFlag] in a draft.
func (d *Draft) DeleteFlag(flag, ifMatch string) error {
	f, err := d.flagFor(flag, ifMatch, mustMatch)
	if err != nil {
		return err
	}
	if !f.Archived {
		return feature.Conflict("the flag is not archived; archive it first")
	}
	if err := d.unreferenced("flag", flag); err != nil {
		return err
	}
	d.version = 0
	d.delete(flagKey(flag))
	for _, environment := range d.environments() {
		d.delete(targetingKey(environment, flag))
		d.flags[flagPlace{environment, flag}] = d.prefix
	}
	return nil
}

// saveFlag stores an existing flag and has it lowered in every environment.
func (d *Draft) saveFlag(f *feature.Flag) error {
	if err := d.checkFlag(f); err != nil {
		d.invalid(err)
		return nil
	}
	if err := d.storeFlag(f); err != nil {
		return err
	}
	for _, environment := range d.environments() {
		t, err := load[feature.Targeting](d, targetingKey(environment, f.Key), "flag", f.Key)
		if err != nil {
			return err
		}
		for _, p := range feature.Problems(t.Validate(f)) {
			d.invalid(feature.Invalid("/variants", "the targeting in %s does not allow it: %s: %s", environment, p.Path, p.Msg))
		}
		d.flags[flagPlace{environment, f.Key}] = d.prefix
		delete(d.trusted, flagPlace{environment, f.Key})
	}
	return nil
}

// checkFlag reports every problem of a flag on its own.
func (d *Draft) checkFlag(f *feature.Flag) error {
	return feature.Join(f.Validate(), compile.Schema(f))
}

// storeFlag writes a definition with a new version.
func (d *Draft) storeFlag(f *feature.Flag) error {
	f.Version, f.UpdatedAt = d.revision(), d.now
	d.version = f.Version
	return d.authored(flagKey(f.Key), f)
}
