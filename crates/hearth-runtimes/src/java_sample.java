package hearth;

import com.amazonaws.services.lambda.runtime.Context;
import java.util.Map;

/** A function as most are. {@link Record} has a virtual machine run it. */
public final class Sample {
    public Map<String, Object> handle(Map<String, Object> event, Context context) {
        context.getLogger().log("sample");
        return event;
    }
}
