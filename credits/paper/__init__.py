"""继续教育电子证书 on paper (F-111): what a certificate says, its signature, its PDF. No models, no requests.

content.py what it says and the one text that is signed · signing.py Ed25519 · pdf.py the pages ·
sealing.py the PDF's own signature, checked without the platform · glyphs.py which characters the font has.
"""
