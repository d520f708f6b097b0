package dimmer

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// Only somebody else's lock is worth waiting for: where there can be none, a client must not start two seconds late.
func TestLockIsWaitedForOnlyWhereThereAreLocks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: there are no locks on this system, so that nobody is ever waited for")
	}
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		require.NoError(t, err)
		return file
	}
	first, second := open(), open()
	require.True(t, tryLock(first))
	require.False(t, tryLock(second), "somebody else has it")
	require.NoError(t, first.Close())
	require.True(t, tryLock(second))
	require.NoError(t, second.Close())
	require.True(t, tryLock(second), "any other error does not pass by waiting")
}
