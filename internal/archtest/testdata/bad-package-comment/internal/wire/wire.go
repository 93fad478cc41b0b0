// Frames and such.
package wire
