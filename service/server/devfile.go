package server

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// DevFile is what a development server leaves in its data folder for the command line, with mode 0600.
type DevFile struct {
	URL     string            `json:"url"`
	GRPC    string            `json:"grpc"`
	Project string            `json:"project"`
	Admin   string            `json:"admin"`            // token
	SDK     map[string]string `json:"sdk"`              // environment → server token
	Toured  bool              `json:"toured,omitempty"` // whether the tour was played, or skipped, on this folder
}

func devPath(dir string) string { return filepath.Join(dir, "dev.json") }

// ReadDevFile reads a data folder's dev.json. An error that wraps fs.ErrNotExist says that there is none; a file that others
// can read is refused, since its tokens are not secret any more.
func ReadDevFile(dir string) (DevFile, error) {
	var d DevFile
	path := devPath(dir)
	info, err := os.Stat(path)
	if err != nil {
		return d, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return d, fmt.Errorf("%s holds tokens and is readable by others: chmod 600 it", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return d, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// WriteDevFile replaces a data folder's dev.json in one step.
func WriteDevFile(dir string, d DevFile) error {
	data, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return writeSecret(devPath(dir), append(data, '\n'))
}

// writeSecret writes a file that nobody else can read: beside it, synced, then renamed.
func writeSecret(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // has mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
