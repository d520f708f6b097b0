package store

import "time"

// Reconciled decides, for backends, what Reconcile makes of a head and what a process knows: the head itself while that is a continuation of known, else the
// same with an epoch above both. at gives the hash of the scope's history at a revision from 1 to the head's, false when it is not kept any more.
//
// An epoch that is already above known's needs no raising: known's holder will see that the epoch is another.
func Reconciled(head, known Head, at func(revision int64) (Hash, bool, error)) (Head, error) {
	if known.Revision == 0 && known.Epoch <= head.Epoch || head.Epoch > known.Epoch {
		return head, nil
	}
	if head.Epoch == known.Epoch && known.Revision <= head.Revision {
		hash, kept, err := at(known.Revision)
		if err != nil {
			return Head{}, err
		}
		if !kept || hash == known.Hash {
			return head, nil
		}
	}
	head.Epoch = max(head.Epoch, known.Epoch) + 1
	return head, nil
}

// Drops says whether an entry falls out of the retention, when newest is the scope's newest revision. A backend drops the oldest entries up to the first that does not.
func (r Retention) Drops(e *Entry, newest int64, now time.Time) bool {
	return e.Revision < newest && e.Revision <= newest-int64(r.Entries) && now.Sub(e.Meta.At) > r.Age
}

// Dropped is the head that a scope has after Drop: empty, in the epoch after its last, so that nobody takes what is made of it later for a continuation.
func (h Head) Dropped() Head { return Head{Epoch: h.Epoch + 1} }

// Imported is the head that a scope has after Import of an exported head, where left is the head that a scope dropped earlier under that name has left. It never has
// an epoch that was there before with another history.
func (h Head) Imported(left Head, raise bool) Head {
	if raise {
		h.Epoch++
	}
	h.Epoch = max(h.Epoch, left.Epoch)
	return h
}

// WatchFrom says whether a watch may begin after a cursor: nil, ErrEpoch or ErrCompacted. The zero cursor is the beginning of everything.
func WatchFrom(after Cursor, head, checkpoint Head) error {
	switch {
	case after == Cursor{}:
	case after.Epoch != head.Epoch || after.Revision > head.Revision:
		return ErrEpoch
	}
	if after.Revision < checkpoint.Revision {
		return ErrCompacted
	}
	return nil
}
