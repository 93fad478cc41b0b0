package buildinfo

import (
	"runtime/debug"
	"testing"
)

func TestFrom(t *testing.T) {
	vcs := func(revision, modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: modified}}
	}
	tests := []struct {
		name   string
		linked string
		build  debug.BuildInfo
		want   Info
	}{
		{"ok release", "v1.2.3", debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Version: "(devel)"}, Settings: vcs("abc", "false")},
			Info{"v1.2.3", "abc", "go1.26"}},
		{"ok changed sources", "", debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: vcs("abc", "true")},
			Info{"devel", "abc-dirty", ""}},
		{"ok installed as a module", "", debug.BuildInfo{Main: debug.Module{Version: "v1.0.0"}}, Info{"v1.0.0", "unknown", ""}},
		{"ok nothing recorded", "", debug.BuildInfo{}, Info{"devel", "unknown", ""}},
		{"ok changed sources without revision", "", debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}}},
			Info{"devel", "unknown", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := from(tt.linked, &tt.build); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestReadNamesTheCompiler(t *testing.T) {
	if got := Read(); got.Version == "" || got.Go == "" {
		t.Errorf("got %+v, want a version and a compiler", got)
	}
}
