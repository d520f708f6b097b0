//go:build unix

package dimmer

import (
	"os"
	"syscall"
)

// tryLock locks an open file against other processes and other locks of this one, until it is closed. An error says that somebody else has it, or that the file system knows
// no locks.
func tryLock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
