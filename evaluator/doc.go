// Package evaluator turns a ruleset into answers. Its one job: documents (plain JSON) are compiled once into an immutable
// [Snapshot], which then answers for any context in nanoseconds, without a lock or an allocation.
//
// docs/ruleset.md says exactly what a document means and what an evaluation answers; the vectors in evaluator/vectors pin it.
// This package follows that page and knows nothing else: it does no I/O, reads no clock, uses no randomness that shows in an
// answer and starts no goroutine, so servers, SDKs and tests get the same answer from the same bytes.
//
// # Promise
//
// Compiling and evaluating never panic and always end, whatever the documents and contexts hold. A document that cannot be
// compiled is quarantined alone: it is reported as a [Problem], and all other flags work.
//
// # Concurrency
//
// A Snapshot is immutable and may be used by any number of goroutines. A [Context] is built by one goroutine and must not be
// changed after it was passed to an evaluation; from then on it may be shared.
package evaluator
