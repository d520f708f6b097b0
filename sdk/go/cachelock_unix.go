//go:build unix

package dimmer

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks an open file against other processes and other locks of this one, until it is closed. False: somebody else has it, and waiting helps. Where the file system knows
// no locks it does not: work goes on without.
func tryLock(file *os.File) bool {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	return !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR)
}
