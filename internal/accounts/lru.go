package accounts

import "container/list"

// lru is a bounded map that forgets what was asked for longest ago. It is not
// safe for concurrent use.
type lru[V any] struct {
	most   int
	order  *list.List // of *entry[V], the newest in front
	byName map[string]*list.Element
}

type entry[V any] struct {
	name  string
	value V
}

func newLRU[V any](most int) lru[V] {
	return lru[V]{most: most, order: list.New(), byName: make(map[string]*list.Element)}
}

// get returns the value of the name, a zero one if it is fresh.
func (l *lru[V]) get(name string) (v *V, fresh bool) {
	if v := l.peek(name); v != nil {
		l.order.MoveToFront(l.byName[name])
		return v, false
	}
	if l.order.Len() >= l.most {
		oldest := l.order.Back()
		delete(l.byName, oldest.Value.(*entry[V]).name)
		l.order.Remove(oldest)
	}
	e := &entry[V]{name: name}
	l.byName[name] = l.order.PushFront(e)
	return &e.value, true
}

// peek returns the value of the name if there is one.
func (l *lru[V]) peek(name string) *V {
	if e := l.byName[name]; e != nil {
		return &e.Value.(*entry[V]).value
	}
	return nil
}

func (l *lru[V]) forget(name string) {
	if e := l.byName[name]; e != nil {
		delete(l.byName, name)
		l.order.Remove(e)
	}
}
