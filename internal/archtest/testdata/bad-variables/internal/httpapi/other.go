package httpapi

func g() { names[4] = "four" }
