package localstore

import "go.etcd.io/bbolt"

func (s *Store) setFormat(f string) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(rootBucket).Put(formatKey, []byte(f)) })
}
