//go:build race

package stats

// underRace: the simulations share nothing but a counter, and cost ten times as much under the race detector; a tenth of them then has to do. make test runs
// all of them without it.
const underRace = true
