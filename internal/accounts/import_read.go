package accounts

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"edgegw/internal/gateway"
)

const (
	// MaxImportBytes is the largest file that can be imported.
	MaxImportBytes = 4 << 20
	// maxImportLine is the longest line of it.
	maxImportLine = 4 << 10
)

// ReadUsers reads a file of people for ImportUsers: CSV whose first line is the
// header name,role,hash, or one JSON object with these members a line. A line
// that cannot be read becomes an entry with Err. It returns CodeInvalidRequest
// for another header and for more than MaxImport lines, CodeTooLarge for more
// than MaxImportBytes, and r's own error as CodeInternal.
func ReadUsers(r io.Reader) ([]ImportUser, error) {
	var list []ImportUser
	err := readRows(r, []string{"name", "role", "hash"}, func(line int, row []string, err error) {
		list = append(list, ImportUser{Line: line, Name: row[0], Role: row[1], Hash: row[2], Err: err})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// ReadDevices reads a file of devices for ImportDevices like ReadUsers: the
// columns are name,room,grants,key_hash, with spaces between the grants, which
// are an array of strings in JSON.
func ReadDevices(r io.Reader) ([]ImportDevice, error) {
	var list []ImportDevice
	err := readRows(r, []string{"name", "room", "grants", "key_hash"}, func(line int, row []string, err error) {
		list = append(list, ImportDevice{
			Line: line, Name: row[0], Room: row[1], Grants: strings.Fields(row[2]), KeyHash: row[3], Err: err,
		})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// columnGrants is the one that holds a list.
const columnGrants = "grants"

// readRows yields the rows of a file with the cells in the order of columns. With
// an error the cells that were read before it are there, the others "". Each line
// is read by itself: a quote that is never closed spoils one line, not the rest
// of the file.
func readRows(r io.Reader, columns []string, yield func(line int, row []string, err error)) error {
	doc, err := io.ReadAll(io.LimitReader(r, MaxImportBytes+1))
	switch {
	case err != nil:
		return gateway.Wrap("accounts.readRows", err)
	case len(doc) > MaxImportBytes:
		return gateway.Errorf(gateway.CodeTooLarge, "the file has more than %d bytes; split it", MaxImportBytes)
	}
	doc = bytes.TrimPrefix(doc, []byte("\ufeff"))
	parse, rows := jsonRow, 0
	if !bytes.HasPrefix(bytes.TrimSpace(doc), []byte("{")) {
		parse = nil // until the header has said where the columns are
	}
	number := 0
	for line := range bytes.Lines(doc) {
		number++
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case len(bytes.TrimSpace(line)) == 0:
		case parse == nil:
			if parse, err = header(line, columns); err != nil {
				return gateway.Errorf(gateway.CodeInvalidRequest, "line %d: %v", number, err)
			}
		case rows == MaxImport:
			return gateway.Errorf(gateway.CodeInvalidRequest, "the file has more than %d entries; split it", MaxImport)
		default:
			rows++
			row, err := readRow(line, columns, parse)
			yield(number, row, err)
		}
	}
	if parse == nil {
		return gateway.Errorf(gateway.CodeInvalidRequest, "the file is empty")
	}
	return nil
}

// rowParser fills a row, whose cells are in the order of columns, from a line.
type rowParser func(row []string, line []byte, columns []string) error

func readRow(line []byte, columns []string, parse rowParser) (row []string, err error) {
	row = make([]string, len(columns))
	switch {
	case len(line) > maxImportLine:
		err = errors.New("the line has more than 4096 bytes")
	case !utf8.Valid(line):
		err = errors.New("the line is not valid UTF-8")
	default:
		err = parse(row, line, columns)
	}
	if err != nil {
		err = &gateway.Error{Code: gateway.CodeInvalidRequest, Message: err.Error()}
	}
	return row, err
}

// header reads the first line of a CSV file. Its errors do not quote it: a file
// without a header has a hash there.
func header(line []byte, columns []string) (rowParser, error) {
	bad := errors.New("the header has to be " + strings.Join(columns, ",") + " (or the file JSON lines with these members)")
	names, err := cells(line)
	if err != nil || len(names) != len(columns) || len(line) > maxImportLine {
		return nil, bad
	}
	order := make([]int, len(columns)) // where in a line each column is
	for i, column := range columns {
		// As many names as columns, all of them found: none is unknown or
		// there twice.
		if order[i] = slices.Index(names, column); order[i] < 0 {
			return nil, bad
		}
	}
	return func(row []string, line []byte, columns []string) error {
		values, err := cells(line)
		if err != nil {
			return err
		}
		if len(values) != len(columns) {
			return errors.New("the line has other columns than the header " + strings.Join(columns, ","))
		}
		for i, at := range order {
			row[i] = values[at]
		}
		return nil
	}, nil
}

// cells splits a line of CSV (RFC 4180).
func cells(line []byte) ([]string, error) {
	if bytes.IndexByte(line, '"') < 0 {
		return strings.Split(string(line), ","), nil
	}
	r := csv.NewReader(bytes.NewReader(line))
	values, err := r.Read()
	if err != nil {
		return nil, errors.New("the quotes in the line do not match; a quoted cell begins and ends with one, and one inside is doubled")
	}
	return values, nil
}

// jsonRow reads a line that is a JSON object. encoding/json alone would take the
// last of two members with one name, and names in any case.
func jsonRow(row []string, line []byte, columns []string) error {
	bad := errors.New("the line is not one JSON object on its own")
	if !json.Valid(line) {
		return bad
	}
	d := json.NewDecoder(bytes.NewReader(line))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return bad
	}
	given := make([]bool, len(columns))
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return bad
		}
		i := slices.Index(columns, name.(string))
		if i < 0 || given[i] {
			return errors.New("the line has an unknown member, or one twice; the members are " + strings.Join(columns, ", "))
		}
		given[i] = true
		if row[i], err = member(d, columns[i]); err != nil {
			return err
		}
	}
	if slices.Contains(given, false) {
		return errors.New("a member is missing; the members are " + strings.Join(columns, ", "))
	}
	return nil
}

// member reads the value of a column: a string, or an array of them.
func member(d *json.Decoder, column string) (string, error) {
	if column != columnGrants {
		var text *string
		if err := d.Decode(&text); err != nil || text == nil {
			return "", errors.New("the member " + column + " is not a string")
		}
		return *text, nil
	}
	var list []*string
	if err := d.Decode(&list); err != nil || list == nil {
		return "", errors.New("the member grants is not an array of strings")
	}
	var b strings.Builder
	for _, text := range list {
		if text == nil || *text == "" || strings.ContainsFunc(*text, unicode.IsSpace) {
			return "", errors.New("the member grants is not an array of PATTERN:RIGHTS strings")
		}
		b.WriteString(*text + " ")
	}
	return b.String(), nil
}
