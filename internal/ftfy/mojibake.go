package ftfy

func fixEncoding(s string) string { return s }
