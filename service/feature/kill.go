package feature

import "time"

// Kill is a fact: somebody killed a flag in an environment. A flag is killed while any of its kills is not cleared. A kill is never edited but
// for being cleared, and stays as a tombstone for [TombstoneAge] after that, so that two histories merge by union.
type Kill struct {
	ID          string    `json:"id"`
	Flag        string    `json:"flag"`
	Environment string    `json:"environment"`
	At          time.Time `json:"at"`
	By          string    `json:"by"`
	Reason      string    `json:"reason,omitempty"`
	Tag         string    `json:"tag,omitempty"` // the tag that it was expanded from
	Cleared     *Clear    `json:"cleared,omitempty"`
}

// Clear says who cleared a kill.
type Clear struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
}

// TombstoneAge is how long a cleared kill is kept.
const TombstoneAge = 30 * 24 * time.Hour
