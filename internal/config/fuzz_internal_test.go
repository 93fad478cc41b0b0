package config

import (
	"reflect"
	"strings"
	"testing"
)

// FuzzFile decodes any text as a file. It must not panic, every problem must
// have a line inside the text, and what is accepted must load again from its own
// output as the same configuration.
func FuzzFile(f *testing.F) {
	var b strings.Builder
	if err := WriteReference(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(strings.ReplaceAll(b.String(), "\n#", "\n"))
	f.Add("listen = ':1'\n[[rooms]]\nmatch = 'a'\nmax_age = '1d'\n[[rooms]]\nmatch='b*'\n")
	f.Add("rooms = [{match='a'}, {match='b', x.y=1}]\na.b.c = 1")
	f.Add("\ufeffallowed_origins = [\"http://a\", 5]\r\n[rooms]")
	f.Add("reset_webhook = 'https://a/b?c'\naccess_ttl = '1h'\nrefresh_ttl = '1h'")
	f.Add("site = \"\r\n") // the library gave line 0 here
	f.Fuzz(func(t *testing.T, text string) {
		c, problems := loadText(text)
		for _, p := range problems {
			if p.from.line < 1 || p.from.line > strings.Count(text, "\n")+1 {
				t.Errorf("line %d of a text of %d lines: %v", p.from.line, strings.Count(text, "\n")+1, p)
			}
		}
		if len(problems) > 0 {
			return
		}
		var b strings.Builder
		if err := c.Write(&b); err != nil {
			t.Fatal(err)
		}
		again, problems := loadText(b.String())
		if len(problems) > 0 {
			t.Fatalf("own output refused: %v\n%s", problems, b.String())
		}
		if again.ResetWebhook == "" {
			again.ResetWebhook = c.ResetWebhook // it may have been hidden
		}
		c.settings, c.roomSettings, again.settings, again.roomSettings = nil, nil, nil, nil
		c.file, again.file, c.texts, again.texts = "", "", nil, nil
		if !reflect.DeepEqual(c, again) {
			t.Errorf("own output differs:\n%+v\n%+v", c, again)
		}
	})
}

func loadText(text string) (*Config, Problems) {
	l := &loader{config: &Config{}, file: &document{name: "edgegw.toml"}}
	l.file.decode(text, &l.problems)
	c, err := l.build()
	if err != nil {
		return nil, err.(Problems)
	}
	return c, nil
}
