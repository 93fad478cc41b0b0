// Command web makes the dashboard's files: it bundles and minifies the sources,
// names each file by its content, and compresses it.
//
//	go -C tools/web run . ../../internal/dashboard/web ../../internal/dashboard/dist
//
// With -check it writes nothing, and fails when the files are not those of the
// sources.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	args := os.Args[1:]
	check := len(args) == 3 && args[0] == "-check"
	if check {
		args = args[1:]
	}
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: web [-check] SOURCES FILES")
		os.Exit(2)
	}
	files, err := bundle(args[0])
	if err == nil && check {
		err = compare(args[1], files)
	} else if err == nil {
		err = write(args[1], files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		os.Exit(1)
	}
}

// bundle is every file by its name, not compressed.
func bundle(sources string) (map[string][]byte, error) {
	sources, err := filepath.Abs(sources)
	if err != nil {
		return nil, err
	}
	vendor := func(name string) string { return filepath.Join(sources, "vendor", name) }
	result := api.Build(api.BuildOptions{
		EntryPoints:       []string{filepath.Join(sources, "app.js"), filepath.Join(sources, "app.css")},
		Outdir:            filepath.Join(sources, "out"),
		EntryNames:        "[name].[hash]",
		ChunkNames:        "[name].[hash]",
		Bundle:            true,
		Splitting:         true,
		Format:            api.FormatESModule,
		Target:            api.ES2022,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		LegalComments:     api.LegalCommentsNone,
		Charset:           api.CharsetUTF8,
		AbsWorkingDir:     sources,
		Alias: map[string]string{
			"preact": vendor("preact.mjs"), "preact/hooks": vendor("preact-hooks.mjs"), "htm": vendor("htm.mjs"),
			"uplot": vendor("uplot.mjs"), "lean-qr": vendor("lean-qr.mjs"),
			"edgegw": filepath.Join(sources, "..", "..", "..", "firmware-clients", "javascript", "edgegw.js"),
		},
	})
	if len(result.Errors) > 0 {
		return nil, fmt.Errorf("%s", strings.Join(api.FormatMessages(result.Errors, api.FormatMessagesOptions{}), ""))
	}
	page, err := os.ReadFile(filepath.Join(sources, "index.html"))
	if err != nil {
		return nil, err
	}
	icon, err := os.ReadFile(filepath.Join(sources, "icon.svg"))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(icon)
	files := map[string][]byte{"icon." + strings.ToUpper(hex.EncodeToString(sum[:4])) + ".svg": icon}
	for _, f := range result.OutputFiles {
		files[filepath.Base(f.Path)] = f.Contents
	}
	for name := range files {
		first, _, _ := strings.Cut(name, ".")
		page = bytes.ReplaceAll(page, []byte("/assets/"+first+filepath.Ext(name)), []byte("/assets/"+name))
	}
	files["index.html"] = page
	return files, nil
}

func write(dir string, files map[string][]byte) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	sum := 0
	for _, name := range names(files) {
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := z.Write(files[name]); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		fmt.Printf("%7d of %7d bytes  %s\n", b.Len(), len(files[name]), name)
		sum += b.Len()
		if err := os.WriteFile(filepath.Join(dir, name+".gz"), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("%7d bytes in all\n", sum)
	return nil
}

func names(files map[string][]byte) (list []string) {
	for name := range files {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// compare looks at what is in the files: another version of Go may compress
// otherwise.
func compare(dir string, files map[string][]byte) error {
	found, err := filepath.Glob(filepath.Join(dir, "*.gz"))
	if err != nil || len(found) != len(files) {
		return fmt.Errorf("%s has %d files, and the sources make %d; run `make web`", dir, len(found), len(files))
	}
	for _, path := range found {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(z)
		_ = f.Close()
		if name := strings.TrimSuffix(filepath.Base(path), ".gz"); err != nil || !bytes.Equal(b, files[name]) {
			return fmt.Errorf("%s is not what the sources make; run `make web`", path)
		}
	}
	return nil
}
