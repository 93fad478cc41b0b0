package doctor

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// private are the files in the data folder that nobody else may read.
var private = [...]string{"identity.db", "identity.db.bak", "history.db", "jwt-secret", "jwt-keys.json", "tls/ca.key", "tls/server.key"}

func permissions(_ context.Context, m *Machine) (list []Finding) {
	dir := m.Config.DataDir
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{found(Note, "name the right folder with --data-dir or --config, or start the gateway once", "there is no %s yet", dir)}
	case err != nil:
		return unknown("%v", err)
	case !info.IsDir():
		return []Finding{found(Problem, "name a folder with data_dir", "%s is no folder", dir)}
	case info.Mode().Perm()&0o022 != 0:
		list = append(list, found(Warning, "`sudo chmod 700 "+dir+"`", "others may change files in %s", dir))
	}
	if _, err := os.ReadDir(dir); err != nil {
		return append(list, unknown("the owners and modes of what is in it: %v", err)...)
	}
	owner := ownerOf(info)
	paths := make([]string, 0, len(private))
	for _, name := range private {
		paths = append(paths, m.data(name))
	}
	if option := m.Config.Text("tls_key_file"); option != "" {
		paths = append(paths, option)
	}
	secrets := m.Config.SecretFiles()
	for _, option := range slices.Sorted(maps.Keys(secrets)) {
		paths = append(paths, secrets[option])
	}
	for _, path := range paths {
		list = append(list, m.filePermissions(path, owner)...)
	}
	if list == nil {
		return good("%s and its secrets are their owner's alone", dir)
	}
	return list
}

func ownerOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

func (m *Machine) filePermissions(path string, owner int) (list []Finding) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return unknown("%v", err)
	case err != nil:
		return nil // it may not be there yet; what has to be, the configuration tells
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		list = append(list, found(Warning, "`sudo chmod 600 "+path+"`", "others may read or write %s (mode %#o)", path, mode))
	}
	if inside := strings.HasPrefix(path, m.Config.DataDir+"/"); inside && ownerOf(info) != owner {
		list = append(list, found(Problem, "`sudo chown --reference="+m.Config.DataDir+" "+path+"`", "%s belongs to another user than its folder: the gateway cannot open it", path))
	}
	return list
}

// magic is what a page of a bbolt file has behind its header that says so.
const magic = 0xED0CDAED

// stores looks at the files as far as that is cheap; `edgegw check` looks at all of
// them.
func stores(_ context.Context, m *Machine) (list []Finding) {
	entries, err := os.ReadDir(m.Config.DataDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unknown("the stores: %v", err)
	}
	for _, name := range []string{"identity.db", "history.db"} {
		switch sound, err := looksSound(m.data(name)); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			list = append(list, unknown("%v", err)...)
		case !sound:
			list = append(list, found(Problem, "start the gateway, which saves what it can and says so; or `edgegw restore` a backup", "%s is no store, or damaged at its beginning", m.data(name)))
		}
	}
	for _, e := range entries {
		list = append(list, m.leftover(e.Name())...)
	}
	if list == nil {
		return good("the stores look sound; `edgegw check` looks at all of them")
	}
	return list
}

func looksSound(path string) (bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	// Two pages say so; one may be torn. They have the size of the machine's
	// pages that it was made on.
	for _, at := range []int64{0, 4 << 10, 16 << 10, 64 << 10} {
		var word [4]byte
		const header = 16
		if _, err := file.ReadAt(word[:], at+header); err == nil && binary.NativeEndian.Uint32(word[:]) == magic {
			return true, nil
		}
	}
	return false, nil
}

func (m *Machine) leftover(name string) []Finding {
	path := m.data(name)
	switch {
	case strings.Contains(name, ".bad-"):
		return []Finding{found(Warning, "look into it with `edgegw check "+path+"`; remove it when it is not needed", "%s was damaged and put aside", path)}
	case strings.HasSuffix(name, ".damaged"):
		return []Finding{found(Problem, "restart the gateway: it saves what is sound and goes on", "damage was met in %s", strings.TrimSuffix(path, ".damaged"))}
	case strings.HasSuffix(name, ".tmp") && len(m.holders("identity.db")) == 0:
		return []Finding{found(Note, "nothing: the next start removes or completes it", "%s is left of something that was cut off", path)}
	case strings.HasPrefix(name, "replaced-") || strings.HasPrefix(name, "restored-config-"):
		return []Finding{found(Note, "remove it when all is well", "%s is what a restore has kept", path)}
	}
	return nil
}

func backups(_ context.Context, m *Machine) []Finding {
	every := m.Config.BackupEvery
	dir := m.Config.BackupDir
	if dir == "" {
		dir = filepath.Join(m.Config.DataDir, "backups")
	}
	age := m.Now.Sub(m.NewestBackup)
	if said := m.Gateway.Checks["backup"]; said != "" {
		return []Finding{found(Problem, "see that "+dir+" is there, has space and may be written", "the last backup failed: %s", said)}
	}
	switch {
	case m.BackupsErr != nil:
		return unknown("backups: %v", m.BackupsErr)
	case every == 0:
		return []Finding{found(Note, "set backup_every = \"24h\" and backup_dir on another disk, or run `edgegw backup` by a timer of your own", "no backups are made by themselves")}
	case m.NewestBackup.IsZero():
		return []Finding{found(Warning, "look again in "+every.String()+"; then see the log for backup", "there is no backup in %s yet", dir)}
	case age > 2*every:
		return []Finding{found(Warning, "see that the gateway runs, and its log for backup", "the newest backup in %s is %s old; one is due every %s", dir, age.Round(time.Minute), every)}
	case m.Config.BackupDir == "":
		return []Finding{found(Note, "set backup_dir to a folder on another disk", "backups are on the same disk as what they are of")}
	}
	return good("the newest backup in %s is %s old", dir, age.Round(time.Minute))
}
