// Package webhook hands password reset codes to the receiver that the operator
// named, such as a mail relay, a chat bot or a script, which passes them on to
// the person. It posts JSON, in order, and tries again for a while when the
// receiver is away.
//
// It makes no codes and does not check any. It keeps none either: what is not
// delivered when the gateway stops is gone, and the person asks again.
package webhook
