package main_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"edgegw/internal/config"
	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/telemetry"
	"edgegw/internal/wire"
)

func document(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// firstCells returns what stands in backquotes in the first cell of table rows.
func firstCells(doc string) map[string]bool {
	cells := make(map[string]bool)
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(doc, -1) {
		cells[m[1]] = true
	}
	return cells
}

func TestOperationsNamesEveryOption(t *testing.T) {
	doc := document(t, "OPERATIONS.md")
	cells := firstCells(doc)
	for _, o := range config.Options() {
		if !cells[o.Name] {
			t.Errorf("the option %s is missing in docs/OPERATIONS.md", o.Name)
		}
		row := "| `" + o.Name + "` | "
		if i := strings.Index(doc, row); i >= 0 && !strings.Contains(doc[i:i+strings.IndexByte(doc[i:], '\n')], strings.TrimSuffix(o.Doc, ".")) {
			t.Errorf("docs/OPERATIONS.md explains %s differently than the option table: %q", o.Name, o.Doc)
		}
	}
}

func TestOperationsNamesEveryMetric(t *testing.T) {
	var b bytes.Buffer
	if err := telemetry.New(telemetry.Options{}).Write(&b); err != nil {
		t.Fatal(err)
	}
	doc := firstCells(document(t, "OPERATIONS.md"))
	served := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (edgegw_\S+) `).FindAllStringSubmatch(b.String(), -1) {
		served[m[1]] = true
		if !doc[m[1]] {
			t.Errorf("the metric %s is missing in docs/OPERATIONS.md", m[1])
		}
	}
	for name := range doc {
		if strings.HasPrefix(name, "edgegw_") && !served[name] {
			t.Errorf("docs/OPERATIONS.md has the metric %s, which is not served", name)
		}
	}
	if len(served) < 20 {
		t.Errorf("only %d metrics were found", len(served))
	}
}

func TestProtocolNamesEveryCode(t *testing.T) {
	doc := document(t, "PROTOCOL.md")
	for _, c := range gateway.Codes {
		if !strings.Contains(doc, "\n| "+string(c)+" | ") {
			t.Errorf("the error code %s is missing in docs/PROTOCOL.md", c)
		}
	}
	for _, c := range wire.CloseCodes {
		if !strings.Contains(doc, "\n| "+strconv.Itoa(int(c))+" | "+c.Name()+" | ") {
			t.Errorf("the close code %d %s is missing in docs/PROTOCOL.md", c, c.Name())
		}
	}
}

// TestProtocolNamesEveryGap compares the reasons of a gap with the page and with the
// vectors, which clients are written against.
func TestProtocolNamesEveryGap(t *testing.T) {
	_, row, _ := strings.Cut(document(t, "PROTOCOL.md"), "\n| `{\"type\":\"gap\"")
	row, _, _ = strings.Cut(row, "\n")
	vectors, err := os.ReadFile(filepath.Join("..", "..", "testdata", "protocol", "gateway-frames.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range hub.GapReasons {
		if !strings.Contains(row, "`"+string(reason)+"`") {
			t.Errorf("docs/PROTOCOL.md does not tell of gaps for %s", reason)
		}
		if !strings.Contains(string(vectors), `, "reason": "`+string(reason)+`"`) {
			t.Errorf("no vector has a gap for %s", reason)
		}
	}
}

// TestProtocolNamesEveryFrame compares the frames that wire can make and read
// with those that the page describes.
func TestProtocolNamesEveryFrame(t *testing.T) {
	doc := document(t, "PROTOCOL.md")
	sent := make(map[string]bool)
	sources, err := filepath.Glob(filepath.Join("..", "..", "internal", "wire", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("`\\{\"type\":\"([a-z_]+)\"").FindAllSubmatch(b, -1) {
			sent[string(m[1])] = true
		}
	}
	for _, c := range []string{"message", "typing", "subscribe", "unsubscribe", "auth", "ping"} {
		if _, err := wire.DecodeText([]byte(`{"type":"` + c + `","room":"r","data":1,"state":"start","token":"t"}`)); err != nil {
			t.Errorf("the command %s: %v", c, err)
		}
		sent[c] = true
	}
	for typ := range sent {
		if !strings.Contains(doc, "| `{\"type\":\""+typ+"\"") {
			t.Errorf("the frame %s is missing in docs/PROTOCOL.md", typ)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `\\{\"type\":\"([a-z_]+)\"").FindAllStringSubmatch(doc, -1) {
		if !sent[m[1]] {
			t.Errorf("docs/PROTOCOL.md describes the frame %s, which wire does not know", m[1])
		}
	}
}
