package app

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"edgegw/internal/clock"
	"edgegw/internal/config"
)

func backupsIn(t *testing.T, keep string, names ...string) (*App, func() []string) {
	t.Helper()
	dir := t.TempDir()
	cfg, err := config.Load(config.Sources{Flags: map[string]string{
		"site": "plant", "backup_dir": dir, "backup_every": "1h", "backup_keep": keep, "data_dir": t.TempDir(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		write(t, filepath.Join(dir, name), "an archive")
	}
	left := func() (names []string) {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			names = append(names, e.Name())
		}
		return names
	}
	return &App{cfg: cfg, clock: clock.New(clock.System(time.Time{}))}, left
}

// The next backup is due by the newest of the site's own that has been made: not
// by one from the future, nor by those of others.
func TestNextBackup(t *testing.T) {
	made := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name  string
		files []string
		want  time.Time
	}{
		{"ok none", nil, time.Time{}},
		{"ok one", []string{"plant-20260102-030405.edgegw-backup"}, made.Add(time.Hour)},
		{"ok one in the future", []string{"plant-20260102-030405.edgegw-backup", "plant-20990101-000000.edgegw-backup"}, made.Add(time.Hour)},
		{"ok only the future", []string{"plant-20990101-000000.edgegw-backup"}, time.Time{}},
		{"bad, of another site", []string{"plant-2-20260102-030405.edgegw-backup", "a-plant-20260102-030405.edgegw-backup"}, time.Time{}},
		{"bad, by hand", []string{"plant-before-20260102-030405.edgegw-backup", "plant-20260102-030405.5.edgegw-backup", "plant-20260102-030405", "20260102-030405.edgegw-backup"}, time.Time{}},
	}
	for _, test := range tests {
		a, _ := backupsIn(t, "7", test.files...)
		if got := a.nextBackup(); !got.Equal(test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// Only the timer's own go, those of an unknown age first, and never the newest.
func TestPruneBackups(t *testing.T) {
	others := []string{
		"other-20200101-000000.edgegw-backup", "plant-2-20200101-000000.edgegw-backup",
		"plant-before-20200101-000000.edgegw-backup", "plant-20200101-000000.txt",
	}
	own := []string{"plant-20250101-000000.edgegw-backup", "plant-20260101-000000.edgegw-backup"}
	future := []string{"plant-20980101-000000.edgegw-backup", "plant-20990101-000000.edgegw-backup"}
	a, left := backupsIn(t, "2", slices.Concat(others, own, future)...)
	if err := a.pruneBackups(); err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(slices.Values(slices.Concat(others, own)))
	if got := left(); !slices.Equal(got, want) {
		t.Errorf("left are %v, want %v", got, want)
	}
}

// What a killed backup has left goes at the next start, and nothing else.
func TestSweepBackups(t *testing.T) {
	stay := []string{
		"other-20200101-000000.edgegw-backup.tmp", "plant-20200101-000000.edgegw-backup", "plant-mine.edgegw-backup.tmp",
	}
	a, left := backupsIn(t, "2", append(stay, "plant-20200101-000000.edgegw-backup.tmp")...)
	verify := filepath.Join(a.cfg.BackupDir, "plant-20200101-000000.edgegw-backup.tmp.verify")
	if err := os.Mkdir(verify, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(verify, "history.db"), "half")
	if err := sweepBackups(a.cfg); err != nil {
		t.Fatal(err)
	}
	if got := left(); !slices.Equal(got, stay) {
		t.Errorf("left are %v, want %v", got, stay)
	}
}
