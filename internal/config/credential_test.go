package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"edgegw/internal/config"
)

// A credential of systemd stands in for the option, and everything else wins
// over it.
func TestCredential(t *testing.T) {
	dir := t.TempDir()
	credential := filepath.Join(dir, "admin_password")
	if err := os.WriteFile(credential, []byte("canary-password-credential"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "edgegw.toml")
	if err := os.WriteFile(file, []byte(`admin_password_file = "/file"`), 0o600); err != nil {
		t.Fatal(err)
	}
	given := "CREDENTIALS_DIRECTORY=" + dir
	tests := []struct {
		name         string
		sources      config.Sources
		want, origin string
	}{
		{"ok credential", config.Sources{Environ: []string{given}}, credential, "credential"},
		{"ok other credentials", config.Sources{Environ: []string{"CREDENTIALS_DIRECTORY=" + t.TempDir()}}, "", "default"},
		{"ok no folder", config.Sources{Environ: []string{"CREDENTIALS_DIRECTORY="}}, "", "default"},
		{"ok no credentials", config.Sources{}, "", "default"},
		{"ok file wins", config.Sources{Environ: []string{given}, File: file}, "/file", "file"},
		{"ok variable wins", config.Sources{Environ: []string{given, "EDGEGW_ADMIN_PASSWORD_FILE=/env"}}, "/env", "env"},
		{"ok flag wins, with nothing too", config.Sources{Environ: []string{given}, Flags: map[string]string{"admin-password-file": ""}}, "", "flag"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Load(tt.sources)
			if err != nil {
				t.Fatal(err)
			}
			if c.AdminPasswordFile != tt.want {
				t.Errorf("%q, want %q", c.AdminPasswordFile, tt.want)
			}
			for _, s := range c.Settings() {
				if s.Name == "admin_password_file" && string(s.Origin) != tt.origin {
					t.Errorf("it comes from %s, want %s", s.Origin, tt.origin)
				}
			}
		})
	}
}
