package storetest_test

import (
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return storetest.NewMemory() },
		storetest.WithPeer(func(_ *testing.T, s store.Store) store.Store { return s }),
		storetest.WithClock(func(*testing.T) (store.Store, func(time.Duration)) {
			var mu sync.Mutex
			now := time.Now()
			m := storetest.NewMemory()
			m.SetClock(func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return now
			})
			return m, func(d time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				now = now.Add(d)
			}
		}),
		storetest.WithLimit(func(*testing.T) store.Store {
			m := storetest.NewMemory()
			m.SetLimit(2 << 20)
			return m
		}),
		storetest.WithWipe(func(*testing.T) (store.Store, func() store.Store) {
			m := storetest.NewMemory()
			return m, func() store.Store {
				m.Wipe()
				return m
			}
		}))
}
