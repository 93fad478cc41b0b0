package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
	"rsc.io/qr"

	"edgegw/internal/adminsock"
)

// qrMargin is the empty frame that readers need, in modules (ISO/IEC 18004).
const qrMargin = 4

// setupNotice tells people on a console how to become the owner. On a terminal
// that is wide enough it has a QR code, too.
func setupNotice(c adminsock.SetupCode, console io.Writer) string {
	var b strings.Builder
	b.WriteString("\nThis gateway has no owner yet. Open\n\n")
	for _, u := range c.URLs {
		fmt.Fprintf(&b, "    %s/setup\n", u)
	}
	shown := c.Code
	if half := len(shown) / 2; half > 0 {
		shown = shown[:half] + "-" + shown[half:]
	}
	fmt.Fprintf(&b, "\nin a browser and give the setup code\n\n    %s\n\nwithin %d minutes.", shown, c.ExpiresIn/int64(time.Minute/time.Second))
	if len(c.URLs) > 0 {
		// Browsers send what is behind the # to nobody.
		if code := qrText(c.URLs[0]+"/setup#code="+c.Code, columns(console)); code != "" {
			b.WriteString(" Or take a picture of this, in the gateway's network:\n\n" + strings.TrimSuffix(code, "\n"))
		}
	}
	b.WriteString("\n\nWithout a browser: sudo edgegw setup\n\n")
	return b.String()
}

// columns is the width of a terminal, 0 for anything else.
func columns(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "" || os.Getenv("TERM") == "dumb" {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	switch {
	case err != nil:
		return 0
	case width == 0: // a serial line does not know
		return 80
	}
	return width
}

// qrText draws a QR code with two modules in each character, black on white
// whatever the terminal's own colours are; "" when it does not fit.
func qrText(text string, columns int) string {
	code, err := qr.Encode(text, qr.L)
	if err != nil || code.Size+2*qrMargin > columns {
		return ""
	}
	var b strings.Builder
	for y := -qrMargin; y < code.Size+qrMargin; y += 2 {
		b.WriteString("\x1b[30;47m")
		for x := -qrMargin; x < code.Size+qrMargin; x++ {
			// Black outside of the code's own rows and columns is never said.
			switch upper, lower := code.Black(x, y), code.Black(x, y+1); {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String()
}

// setupDone tells what was made, and what to do with it.
func setupDone(r setupResult, running bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is the administrator now.\n", r.Username)
	if !running {
		b.WriteString("The gateway does not run; start it with `systemctl start edgegw` or `edgegw serve`.\n")
	}
	url := "http://127.0.0.1:8080"
	if len(r.URLs) > 0 {
		url = r.URLs[0]
		fmt.Fprintf(&b, "It is at %s\n", strings.Join(r.URLs, " or "))
	}
	if r.Device == nil {
		b.WriteString("Devices get their keys with: edgegw device add NAME --room ROOM\n")
		if running {
			b.WriteString("A first message, from this machine: sudo edgegw pub lobby 'Hello room!'\n")
		}
		return strings.TrimSuffix(b.String(), "\n")
	}
	fmt.Fprintf(&b, "\nThe key of %s, which is shown only now:\n\n    %s\n", r.Device.Name, r.Device.Key)
	b.WriteString("\nA first message from a shell:\n\n" + firstMessage(url, r.Device))
	b.WriteString("\nAnd from the console of a browser that shows " + url + "/, or from Node.js 22 or newer:\n\n" + firstSocket(url, r.Device))
	return strings.TrimSuffix(b.String(), "\n")
}

func firstMessage(url string, d *setupDevice) string {
	curl, first := "curl", ""
	if strings.HasPrefix(url, "https:") { // the fingerprint is what edgegw tls show prints
		curl, first = "curl --cacert edgegw-ca.crt", "curl -sk "+url+"/ca.crt -o edgegw-ca.crt\n"
	}
	return first + fmt.Sprintf(`TOKEN=$(%[4]s -s %[1]s/auth/device -H 'Content-Type: application/json' \
  -d '{"device_key":"%[2]s"}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
%[4]s -s %[1]s/rooms/%[3]s/messages -H "Authorization: Bearer $TOKEN" \
  -H 'Content-Type: application/json' -d '{"data":"Hello room!"}'
`, url, d.Key, d.Room, curl)
}

func firstSocket(url string, d *setupDevice) string {
	return fmt.Sprintf(`const answer = await fetch("%[1]s/auth/device", {
  method: "POST", headers: {"Content-Type": "application/json"},
  body: JSON.stringify({device_key: "%[2]s"})})
const token = (await answer.json()).access_token
const ws = new WebSocket("%[3]s/ws?room=%[4]s", ["bearer", token])
ws.onmessage = (e) => console.log(e.data)
ws.onopen = () => ws.send("Hello room!")
`, url, d.Key, strings.Replace(url, "http", "ws", 1), d.Room)
}
