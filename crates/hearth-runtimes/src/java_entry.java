package hearth;

import com.amazonaws.services.lambda.runtime.api.client.AWSLambda;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * Starts AWS's runtime client, as the managed runtimes do; started ahead of need, it waits for its
 * function first. Compiled by `hearth runtime add`.
 *
 * <p>What tells it to wait is that its input is not the null device, as it usually is otherwise, and
 * what it was started with. No variable may be asked for before there is a function: Java reads them
 * all at the first question, once.
 */
public final class Entry {
    private Entry() {}

    public static void main(String[] arguments) throws Throwable {
        if (isToldToWait()) {
            Waiting.untilThereIsAFunction();
        }
        AWSLambda.main(new String[] {System.getenv("_HANDLER")});
    }

    private static boolean isToldToWait() {
        try {
            if (new File("/proc/self/fd/0").getCanonicalPath().equals("/dev/null")) {
                return false;
            }
            // A wrapper of the function's may have given it another input.
            try (FileInputStream started = new FileInputStream("/proc/self/environ")) {
                byte[] variables = started.readAllBytes();
                // Not joined with a plus, for which Java makes classes.
                String all = "\0".concat(new String(variables, StandardCharsets.ISO_8859_1));
                return all.contains("\0_HEARTH_WARM=");
            }
        } catch (IOException e) {
            return false;
        }
    }
}
