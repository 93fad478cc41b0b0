package wire

// maxDepth is how deeply JSON may be nested. Parsers on devices have far less
// stack than this gateway; 1,000 is where Python's gives up.
const maxDepth = 1000

// ValidJSON reports whether b is exactly one JSON value (RFC 8259) that is
// nested at most 1,000 deep. It allocates nothing and does not recurse.
func ValidJSON(b []byte) bool {
	i, ok := skipValue(b, skipSpace(b, 0))
	return ok && skipSpace(b, i) == len(b)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipValue walks over one value that starts at i and returns the place behind
// it. The kind of every open bracket is one bit of the stack.
func skipValue(b []byte, i int) (end int, ok bool) {
	var stack [maxDepth/64 + 1]uint64
	depth := 0
	for {
		// At the start of a value.
		switch {
		case i >= len(b):
			return i, false
		case b[i] == '{' || b[i] == '[':
			if depth == maxDepth {
				return i, false
			}
			object := b[i] == '{'
			setBit(&stack[depth/64], depth%64, object)
			depth++
			i = skipSpace(b, i+1)
			if i < len(b) && b[i] == closer(object) {
				break // empty: its closing bracket is handled below
			}
			if object {
				if i, ok = skipKey(b, i); !ok {
					return i, false
				}
			}
			continue
		default:
			if i, ok = skipScalar(b, i); !ok {
				return i, false
			}
		}
		// Behind a value: close brackets, or go on to the next member.
		for {
			if depth == 0 {
				return i, true
			}
			i = skipSpace(b, i)
			if i >= len(b) {
				return i, false
			}
			object := stack[(depth-1)/64]>>((depth-1)%64)&1 == 1
			if b[i] == closer(object) {
				depth--
				i++
				continue
			}
			if b[i] != ',' {
				return i, false
			}
			i = skipSpace(b, i+1)
			if object {
				if i, ok = skipKey(b, i); !ok {
					return i, false
				}
			}
			break
		}
	}
}

// nestedTooDeep tells an object that is refused for a member's depth from one
// that is no JSON at all. It counts brackets and trusts that they match, and is
// asked only when the object could not be read.
func nestedTooDeep(b []byte) bool {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return false
	}
	depth := 0
	for ok := true; ok && i < len(b); {
		switch b[i] {
		case '"':
			i, ok = skipString(b, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if depth > maxDepth+1 { // the object's own bracket is no member's
			return true
		}
		i++
	}
	return false
}

func setBit(word *uint64, n int, on bool) {
	*word &^= 1 << n
	if on {
		*word |= 1 << n
	}
}

func closer(object bool) byte {
	if object {
		return '}'
	}
	return ']'
}

// skipKey walks over `"key" :` and the space behind it.
func skipKey(b []byte, i int) (int, bool) {
	i, ok := skipString(b, i)
	if !ok {
		return i, false
	}
	i = skipSpace(b, i)
	if i >= len(b) || b[i] != ':' {
		return i, false
	}
	return skipSpace(b, i+1), true
}

func skipScalar(b []byte, i int) (int, bool) {
	switch c := b[i]; {
	case c == '"':
		return skipString(b, i)
	case c == '-' || c >= '0' && c <= '9':
		return skipNumber(b, i)
	case c == 't':
		return skipLiteral(b, i, "true")
	case c == 'f':
		return skipLiteral(b, i, "false")
	case c == 'n':
		return skipLiteral(b, i, "null")
	}
	return i, false
}

func skipLiteral(b []byte, i int, word string) (int, bool) {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return i, false
	}
	return i + len(word), true
}

func skipString(b []byte, i int) (int, bool) {
	if i >= len(b) || b[i] != '"' {
		return i, false
	}
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1, true
		case c < 0x20:
			return i, false
		case c == '\\':
			i++
			if i >= len(b) {
				return i, false
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if len(b)-i < 5 || !isHex(b[i+1]) || !isHex(b[i+2]) || !isHex(b[i+3]) || !isHex(b[i+4]) {
					return i, false
				}
				i += 4
			default:
				return i, false
			}
		}
	}
	return i, false
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func skipNumber(b []byte, i int) (int, bool) {
	if b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	default:
		start := i
		if i = skipDigits(b, i); i == start {
			return i, false
		}
	}
	if i < len(b) && b[i] == '.' {
		start := i + 1
		if i = skipDigits(b, start); i == start {
			return i, false
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		start := i
		if i = skipDigits(b, i); i == start {
			return i, false
		}
	}
	return i, true
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	return i
}
