// Package buildinfo says which edgegw this is: version and commit. It does not
// read files or the environment and knows nothing of the machine it runs on.
package buildinfo

import "runtime/debug"

// version is the one package variable that the linker sets:
//
//	go build -ldflags "-X edgegw/internal/buildinfo.version=v1.2.3"
//
// A release cannot be told from the sources alone, so there is no other way in.
// Nothing writes it at run time.
var version string

// Info is what is known about the running program.
type Info struct {
	// Version is the release, for example "v1.2.3", or "devel" for a build
	// without one.
	Version string `json:"version"`
	// Commit is the revision of the sources, with "-dirty" behind it when
	// they had been changed, or "unknown" when the build did not record it.
	Commit string `json:"commit"`
	// Go is the version of the compiler.
	Go string `json:"go"`
}

// Read gathers what the linker and the Go tool recorded.
func Read() Info {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		b = &debug.BuildInfo{}
	}
	return from(version, b)
}

func from(linked string, b *debug.BuildInfo) Info {
	info := Info{Version: linked, Commit: "unknown", Go: b.GoVersion}
	if info.Version == "" {
		info.Version = b.Main.Version
	}
	if info.Version == "" || info.Version == "(devel)" {
		info.Version = "devel"
	}
	dirty := false
	for _, s := range b.Settings {
		switch s.Key {
		case "vcs.revision":
			info.Commit = s.Value
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if dirty && info.Commit != "unknown" {
		info.Commit += "-dirty"
	}
	return info
}
