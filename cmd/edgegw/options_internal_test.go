package main

import (
	"os"
	"path/filepath"
	"testing"

	"edgegw/internal/config"
)

func TestTheInstalledFileIsForWhoNamesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "edgegw.toml")
	take := func(s config.Sources) string { return withInstalled(s, file).File }
	if got := take(config.Sources{}); got != "" {
		t.Errorf("without the file it is %q", got)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		sources config.Sources
		want    string
	}{
		"nothing":            {config.Sources{Environ: []string{"HOME=/root", "EDGEGW_SITE=here"}}, file},
		"a file":             {config.Sources{File: "mine.toml"}, "mine.toml"},
		"a file, variable":   {config.Sources{Environ: []string{"EDGEGW_CONFIG=mine.toml"}}, ""},
		"a folder":           {config.Sources{Flags: map[string]string{"data-dir": "data"}}, ""},
		"a folder, variable": {config.Sources{Environ: []string{"EDGEGW_DATA_DIR=data"}}, ""},
	} {
		if got := take(tc.sources); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
