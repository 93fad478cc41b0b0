// Package hub exports names and keeps quiet about them.
package hub

type Hub struct{ Rooms int }

func New() *Hub { return nil }

func (h *Hub) Close() error { return nil }

func (h *Hub) close() error { return nil }

type quiet struct{}

func (quiet) Close() error { return nil }

type List[T any] struct{}

func (l List[T]) Len() int { return 0 }

const Limit = 1

// The states.
const (
	On = iota
	Off
)

const (
	// Documented is.
	Documented   = 1
	Undocumented = 2
	Trailing     = 3 // is a comment, too
)

// Store is a contract.
type Store interface {
	Open() error
	// Shut closes it.
	Shut() error
	hidden()
}

var Table = []int{1}

// Single says it all.
type Single interface{ Do() }

// Lookup finds things. Errors are those of Store.
type Lookup interface {
	Find()
	List()
}
