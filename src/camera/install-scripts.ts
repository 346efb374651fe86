/**
 * The scripts that write main.py on the camera. FAT renames no file onto another; what was there is main.bak, an empty one
 * where there was nothing. The pause at the end of each lets the host read the answer before the interpreter restarts.
 */

export const PREAMBLE = `
import binascii, hashlib, os, time

def there(name):
    try:
        os.stat(name)
        return True
    except OSError:
        return False

def remove(name):
    if there(name):
        os.remove(name)

def digest(name):
    if not there(name):
        return None
    sha = hashlib.sha256()
    with open(name, 'rb') as file:
        while True:
            part = file.read(512)
            if not part:
                return binascii.hexlify(sha.digest()).decode()
            sha.update(part)

def done(word):
    if hasattr(os, 'sync'):
        os.sync()
    print('main.py:', word)
    time.sleep_ms(300)

`;

/** Begins or continues main.new. */
export const writePiece = (bytes: Buffer, first: boolean): string => `
import binascii
with open('main.new', '${first ? 'wb' : 'ab'}') as file:
    file.write(binascii.a2b_base64(b'${bytes.toString('base64')}'))
`;

/** main.new becomes main.py when it is whole; says `installed` when main.py is what it should be. */
export const COMMIT = (expected: string): string => `
expected = '${expected}'
if digest('main.py') != expected and digest('main.new') == expected:
    remove('main.bak')
    if there('main.py'):
        os.rename('main.py', 'main.bak')
    else:
        open('main.bak', 'wb').close()
    os.rename('main.new', 'main.py')
remove('main.new')
done('installed' if digest('main.py') == expected else 'differs')
`;

export const UNDO = `
if there('main.bak'):
    remove('main.py')
    if os.stat('main.bak')[6]:
        os.rename('main.bak', 'main.py')
    else:
        os.remove('main.bak')
    done('undone')
else:
    done('nothing')
`;
