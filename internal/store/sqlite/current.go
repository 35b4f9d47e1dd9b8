package sqlite

import (
	"errors"
	"io/fs"
	"os"
)

// Current says whether the records at path have the schema of this program, without changing them. An error wraps fs.ErrNotExist where there are none.
func Current(path string) (bool, error) {
	if _, err := os.Stat(path); err != nil {
		return false, err
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return false, err
	}
	db, err := connect("sqlite", path, 1)
	if err != nil {
		return false, err
	}
	var version int
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return false, errors.Join(err, db.Close())
	}
	return version == len(names), db.Close()
}
