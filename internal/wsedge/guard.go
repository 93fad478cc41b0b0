package wsedge

import (
	"io"
	"math"

	"edgegw/internal/wire"
)

const (
	// opContinuation and lastDataOp complete the opcodes of wire, which
	// lists only what the gateway sends (RFC 6455 section 11.8).
	opContinuation = 0x0
	lastDataOp     = wire.OpBinary
	maskBytes      = 4
	// maxControlBytes is RFC 6455 section 5.5.
	maxControlBytes = 125
	// maxEmptyFragments is how many frames of one message may carry nothing
	// and not end it. RFC 6455 sets no limit, so that a message of them need
	// never end: they are a flood whatever the frame rate is, also when
	// there is none. A sender that flushes an idle stream makes a few.
	maxEmptyFragments = 100
	// freeFragmentBytes is the payload from which a fragment takes nothing
	// from the frame rate. Its bytes already count against the message
	// limit, and the frame that ends the message takes its token.
	freeFragmentBytes = 64
)

// guard walks the frames that a client sends (RFC 6455 section 5) as their
// bytes pass, and refuses what is illegal, too large or too much before gws
// sees the whole of it. It is not safe for concurrent use: the read loop owns
// it. It exists once per connection, so its size matters.
type guard struct {
	limits *guardLimits
	// skip counts the mask and payload bytes of the current frame that are
	// still to come and that nobody needs to look at.
	skip uint64
	// acc gathers the extended length, or the mask and the code of a close
	// frame.
	acc uint64
	// filled is when the bucket was last filled.
	filled int64
	tokens uint32
	// message is the payload of the current message's fragments so far.
	message uint32
	// empties counts the current message's empty fragments.
	empties uint8
	phase   guardPhase
	// left is how many bytes the phase still needs.
	left uint8
	// first is the current frame's first byte.
	first byte
	// rest is what follows the code in the current close frame.
	rest       uint8
	fragmented bool
	breach     breach
}

type guardPhase uint8

const (
	phaseFirstByte guardPhase = iota
	phaseSecondByte
	phaseLength16
	phaseLength64
	phaseCloseCode
	phaseClosed
)

func newGuard(limits *guardLimits) guard {
	g := guard{limits: limits, tokens: limits.frameBurst}
	if limits.frameRate > 0 {
		g.filled = limits.now()
	}
	return g
}

// read is the Read of the connection: it reads from src and passes on what the
// guard lets through. Its errors are src's, a *violation, or io.EOF after the
// client's close frame, whatever follows that.
func (g *guard) read(src io.Reader, p []byte) (int, error) {
	if g.breach != noBreach {
		return 0, &violations[g.breach]
	}
	if g.closed() {
		return 0, io.EOF
	}
	n, err := src.Read(p)
	ok, v := g.inspect(p[:n])
	if v != nil {
		return ok, v
	}
	return ok, err
}

// over reports whether read has nothing more to ask its source.
func (g *guard) over() bool { return g.breach != noBreach || g.closed() }

// closed reports whether the client's close frame has passed completely.
func (g *guard) closed() bool { return g.phase == phaseClosed && g.skip == 0 }

// inspect walks p, the next bytes of the stream, and returns how many of them
// may pass. With a violation these are the ones before the offending frame; what
// earlier calls let through of it is never enough for a reader to act on.
// The violation is the last word: every later call repeats it. Without one, ok
// is less than len(p) only when p goes on behind the client's close frame.
func (g *guard) inspect(p []byte) (ok int, v *violation) {
	start := 0
	for i := 0; i < len(p) && g.breach == noBreach; {
		switch {
		case g.skip > 0:
			n := min(g.skip, uint64(len(p)-i))
			g.skip -= n
			i += int(n)
			continue
		case g.phase == phaseClosed:
			return i, nil
		case g.phase == phaseFirstByte:
			start = i
		}
		g.breach = g.step(p[i])
		i++
	}
	if g.breach != noBreach {
		return start, &violations[g.breach]
	}
	return len(p), nil
}

// step takes one byte that matters.
func (g *guard) step(c byte) breach {
	switch g.phase {
	case phaseFirstByte:
		return g.firstByte(c)
	case phaseSecondByte:
		return g.secondByte(c)
	}
	g.acc = g.acc<<8 | uint64(c)
	if g.left--; g.left > 0 {
		return noBreach
	}
	switch {
	case g.phase == phaseCloseCode:
		return g.closeCode()
	case g.phase == phaseLength16 && g.acc < 126, g.phase == phaseLength64 && g.acc <= math.MaxUint16:
		return breachLengthNotMinimal
	case g.acc > math.MaxInt64:
		return breachLengthTopBit
	}
	return g.data(g.acc)
}

func (g *guard) opcode() wire.Opcode { return wire.Opcode(g.first & 0x0F) }
func (g *guard) final() bool         { return g.first&0x80 != 0 }
func (g *guard) control() bool       { return g.opcode() >= wire.OpClose }

func (g *guard) firstByte(c byte) breach {
	g.first, g.phase = c, phaseSecondByte
	op := g.opcode()
	switch {
	case c&0x70 != 0: // no extension is ever negotiated
		return breachReservedBits
	case op > lastDataOp && op < wire.OpClose, op > wire.OpPong:
		return breachReservedOpcode
	case g.control():
		if !g.final() {
			return breachFragmentedControl
		}
	case op == opContinuation && !g.fragmented:
		return breachStrayContinuation
	case op != opContinuation && g.fragmented:
		return breachInterruptedMessage
	}
	return noBreach
}

func (g *guard) secondByte(c byte) breach {
	length := c & 0x7F
	switch {
	case c&0x80 == 0:
		return breachUnmasked
	case g.control():
		return g.controlFrame(length)
	case length == 126:
		g.phase, g.left, g.acc = phaseLength16, 2, 0
		return noBreach
	case length == 127:
		g.phase, g.left, g.acc = phaseLength64, 8, 0
		return noBreach
	}
	return g.data(uint64(length))
}

// controlFrame decides on a ping, pong or close frame of the given length.
func (g *guard) controlFrame(length uint8) breach {
	isClose := g.opcode() == wire.OpClose
	switch {
	case length > maxControlBytes:
		return breachLongControl
	case isClose && length == 1:
		return breachClosePayload
	case isClose && length > 1:
		g.phase, g.left, g.acc, g.rest = phaseCloseCode, maskBytes+2, 0, length-2
		return noBreach
	case isClose:
		g.phase, g.skip = phaseClosed, maskBytes
		return noBreach
	}
	g.phase, g.skip = phaseFirstByte, maskBytes+uint64(length)
	return g.take()
}

// closeCode decides on a close frame whose mask and code are in acc. The codes
// are those of RFC 6455 section 7.4 and of its registry at IANA.
func (g *guard) closeCode() breach {
	code := uint16(g.acc>>32) ^ uint16(g.acc)
	switch {
	case code >= 3000 && code <= 4999,
		code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		g.phase, g.skip = phaseClosed, uint64(g.rest)
		return noBreach
	}
	return breachCloseCode
}

// data decides on a data frame of the given length, which may be anything up to
// math.MaxInt64: it fits into 32 bits only once it is known to be small.
func (g *guard) data(length uint64) breach {
	sum := uint64(g.message) + length
	if sum > uint64(g.limits.maxMessage) {
		return breachMessageTooLarge
	}
	g.phase, g.skip = phaseFirstByte, maskBytes+length
	if g.final() {
		g.message, g.empties, g.fragmented = 0, 0, false
		return g.take()
	}
	g.message, g.fragmented = uint32(sum), true
	if length == 0 {
		if g.empties == maxEmptyFragments {
			return breachEmptyFragments
		}
		g.empties++
	}
	if length < freeFragmentBytes {
		return g.take()
	}
	return noBreach
}
