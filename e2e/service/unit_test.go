package service_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"edgegw/e2e/process"
)

// unit copies the units into a folder, with the binary at hand in them and without
// the manual, which is not installed here; it returns the service's path.
func unit(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"edgegw.socket", "edgegw.service"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(b), "/usr/bin/edgegw", process.Bin())
		text = regexp.MustCompile(`(?m)^Documentation=.*$`).ReplaceAllString(text, "")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "edgegw.service")
}

func TestUnitsAreSound(t *testing.T) {
	service := unit(t)
	if said := output(t, "systemd-analyze", "verify", service, strings.TrimSuffix(service, "service")+"socket"); said != "" {
		t.Errorf("systemd-analyze verify:\n%s", said)
	}
}

// The threshold is in tenths.
func TestExposure(t *testing.T) {
	said := output(t, "systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", unit(t))
	lines := strings.Split(strings.TrimSpace(said), "\n")
	t.Log("figure: " + lines[len(lines)-1])
}

// filter is what the unit's SystemCallFilter= allows, sets resolved.
func filter(t *testing.T) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "systemd", "edgegw.service"))
	if err != nil {
		t.Fatal(err)
	}
	allowed := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.*)$`).FindAllStringSubmatch(string(b), -1) {
		for _, word := range strings.Fields(m[2]) {
			for _, call := range resolve(t, word) {
				allowed[call] = m[1] == ""
			}
		}
	}
	// systemd adds these to every list that allows.
	for _, call := range resolve(t, "@default") {
		allowed[call] = true
	}
	return allowed
}

// resolve gives the calls of a set, and of the sets in it.
func resolve(t *testing.T, word string) (calls []string) {
	t.Helper()
	if !strings.HasPrefix(word, "@") {
		return []string{word}
	}
	for line := range strings.Lines(output(t, "systemd-analyze", "syscall-filter", "--no-pager", word)) {
		if line = strings.TrimSpace(line); line == "" || line == word || strings.HasPrefix(line, "#") {
			continue
		}
		calls = append(calls, resolve(t, line)...)
	}
	return calls
}
