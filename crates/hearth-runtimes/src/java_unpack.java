package hearth;

import com.amazonaws.services.lambda.runtime.api.client.AWSLambda;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;

/**
 * Puts the client's native half where its argument says. Run once, by `hearth runtime add`: the
 * client would do the same at every start, into the function's `/tmp`.
 */
final class Unpack {
    private static final String[] LIBRARIES = {
        "linux-x86_64", "linux-aarch_64", "linux_musl-x86_64", "linux_musl-aarch_64",
    };

    private Unpack() {}

    public static void main(String[] arguments) throws Exception {
        Path target = Paths.get(arguments[0]);
        UnsatisfiedLinkError last = null;
        for (String library : LIBRARIES) {
            String name = "/jni/libaws-lambda-jni." + library + ".so";
            try (InputStream stream = AWSLambda.class.getResourceAsStream(name)) {
                Files.copy(stream, target, StandardCopyOption.REPLACE_EXISTING);
                System.load(target.toString());
                return;
            } catch (UnsatisfiedLinkError e) {
                last = e; // That of another machine or C library.
            }
        }
        throw last;
    }
}
